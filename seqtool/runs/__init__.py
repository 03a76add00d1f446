"""Run directories: layout, writing and reading."""

from seqtool.runs.directory import RunDirectory
from seqtool.runs.seed_directory import FORMAT, SeedDirectory

__all__ = ["FORMAT", "RunDirectory", "SeedDirectory"]
