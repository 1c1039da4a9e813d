"""What a run is: every value that can change its numbers, typed.

Training imports this and not `aib.params`, so that what only plans or describes runs (studies,
kinds of datasets, reports) is no part of training's code hash.
"""
