"""Information-bottleneck spatial attention, reproduced with intervals, verdicts and provenance."""
