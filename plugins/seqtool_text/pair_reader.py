"""Reads the pairs of a file, large files through a cached Arrow file."""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from seqtool.api import PartError, SeqtoolError, Split, cache_folder, remove_leftovers
from seqtool_text.arrow import Spool, read_arrow, write_arrow
from seqtool_text.corpus import Columns, Corpus, Summary, corpus_from, read_columns
from seqtool_text.hub import HUB, hub_rows
from seqtool_text.lines import file_size, is_larger, reading_errors
from seqtool_text.sides import NAMES, Sides
from seqtool_text.tables import Layout, Row, rows

LARGE_FILE_BYTES = 16 << 20
"""Files of more bytes, decompressed, are read through an Arrow file."""
FORMAT = 2
"""Incremented when the same file and options give different pairs."""


@dataclass(frozen=True)
class PairReader:
    """How files are read; `seed` determines the random splits, `skip_bad` whether bad rows are skipped."""

    layout: Layout
    sides: Sides
    seed: int
    skip_bad: bool

    def rows(self, split: Split, path: str) -> Iterator[Row]:
        """The rows of a file, or of a data set of the hub.

        Raises:
            PartError: it cannot be read.
        """
        if path.startswith(HUB):
            yield from hub_rows(path, split, self.layout)
            return
        with reading_errors(Path(path), split):
            file_size(Path(path))  # refuses pipes before anything is read
            yield from rows(Path(path), split, self.layout)

    def corpus(self, split: Split, path: str) -> Corpus:
        """The pairs of a file; a warning reports skipped rows.

        Raises:
            PartError: the file cannot be read, has bad rows that are not skipped, or all its rows are skipped.
        """
        place, name = Path(path), path if path.startswith(HUB) else Path(path).name
        with reading_errors(place, split):
            large = not path.startswith(HUB) and is_larger(place, LARGE_FILE_BYTES)
            corpus = self._cached_corpus(split, path) if large else corpus_from(*self._read(split, path))
        bad, long = bad_rows_message(corpus, name), long_pairs_message(corpus, name, self.sides.limits)
        if bad and not (self.skip_bad and len(corpus)):
            raise PartError(bad, option=split, allowed="valid rows; bad_rows: skip skips the others")
        if long and not len(corpus):
            raise PartError(long, option=f"longest_{NAMES[self.sides.limits[0] is None]}", allowed="a larger number")
        for message in (bad, long):
            if message:
                warnings.warn(f"{message}; they are skipped", stacklevel=2)
        return corpus

    def _read(
        self, split: Split, path: str, consume: Callable[[Columns], None] | None = None
    ) -> tuple[Columns, Summary]:
        return read_columns(self.rows(split, path), self.sides, self.seed, consume)

    def _cached_corpus(self, split: Split, path: str) -> Corpus:
        """The pairs of a large file, from its Arrow file, which is written first if necessary."""
        folder = cache_folder() / "pairs"
        key = self._cache_key(Path(path), self.layout.format_of(Path(path), split))
        cached = read_arrow(folder, key)
        if cached is None:
            try:
                self._write_cache(split, path, folder, key)
            except OSError as error:
                message = f"cannot cache the pairs of {path!r} in {str(folder)!r}: {error.strerror or error}"
                raise SeqtoolError(f"{message}; set SEQTOOL_CACHE to another folder") from error
            cached = read_arrow(folder, key)
        if cached is None:
            raise SeqtoolError(
                f"the cached pairs of {path!r} in {str(folder)!r} cannot be read back after they were written\n"
                "    allowed: SEQTOOL_CACHE, set to a folder on another disk"
            )
        return cached

    def _write_cache(self, split: Split, path: str, folder: Path, key: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        with ExitStack() as stack:
            spool = Spool(folder, stack)
            columns, summary = self._read(split, path, spool.add)
            spool.add(columns)
            write_arrow(folder, key, spool, summary)

    def _cache_key(self, path: Path, kind: str) -> str:
        """A digest of the file and of all that its pairs depend on."""
        sides = self.sides
        tokens = (sides.source.fingerprint(), sides.target.fingerprint())
        how = (FORMAT, kind, self.layout, tokens, sides.separator, sides.limits, sides.source_end, self.seed)
        digest = hashlib.blake2b(repr(how).encode(), digest_size=20)
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()


def bad_rows_message(corpus: Corpus, name: str) -> str:
    """The number of bad rows, and the first of them; empty if there are none."""
    summary = corpus.summary
    count, whole = summary.counts["bad"], summary.counts["rows"]
    if not count:
        return ""
    more = f"; and {count - len(summary.bad)} more" if count > len(summary.bad) else ""
    return f"{name} has {count} bad row{'s' * (count > 1)} of {whole}: {'; '.join(summary.bad)}{more}"


def long_pairs_message(corpus: Corpus, name: str, limits: tuple[int | None, int | None]) -> str:
    """The number of pairs that are too long, and the first of them; empty if there are none."""
    summary = corpus.summary
    count, whole = summary.counts["too_long"], summary.counts["rows"]
    if not count:
        return ""
    most = " or ".join(f"{limit} {side}" for limit, side in zip(limits, NAMES, strict=True) if limit is not None)
    more = f" and {count - len(summary.long)} more" if count > len(summary.long) else ""
    lines = f"line{'s' * (count > 1)} {', '.join(map(str, summary.long))}{more}"
    return f"{name} has {count} pair{'s' * (count > 1)} of {whole} with more than {most} tokens: {lines}"
