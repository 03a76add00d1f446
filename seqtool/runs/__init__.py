"""Run directories: their layout, their files, and how they are read."""

from seqtool.runs.directory import RunDirectory
from seqtool.runs.seed_directory import FORMAT, SeedDirectory

__all__ = ["FORMAT", "RunDirectory", "SeedDirectory"]
