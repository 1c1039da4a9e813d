"""What `snakemake --logger aib` finds: Snakemake looks for its plugins by this package's name."""

from aib.display.handler import LogHandler

__all__ = ["LogHandler"]
