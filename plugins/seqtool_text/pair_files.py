"""From a file to its pairs: in memory, or through an Arrow file where it is large."""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from seqtool.api import PartError, SeqtoolError, Split, cache_folder
from seqtool_text.arrow import Spool, read_arrow, write_arrow
from seqtool_text.corpus import Columns, Corpus, Notes, corpus_of, read_columns
from seqtool_text.hub import HUB, hub_rows
from seqtool_text.lines import naming, size_of
from seqtool_text.sides import NAMES, Sides
from seqtool_text.tables import Layout, Row, rows

LARGE = 16 << 20
"""A file of more bytes goes through an Arrow file."""
FORMAT = 1
"""Another number whenever the same file and options give other pairs."""


@dataclass(frozen=True)
class Reading:
    """How files are read. `seed`: what decides which share a source falls to. `skip`: leave bad rows out."""

    layout: Layout
    sides: Sides
    seed: int
    skip: bool

    def rows(self, split: Split, path: str) -> Iterator[Row]:
        """The rows of a file, or of a data set of the hub. Raises: PartError: it cannot be read."""
        if path.startswith(HUB):
            yield from hub_rows(path, split, self.layout)
            return
        with naming(Path(path), split):
            yield from rows(Path(path), split, self.layout)

    def corpus(self, split: Split, path: str) -> Corpus:
        """The pairs of a file; what is left out of them is told in a warning.

        Raises:
            PartError: it cannot be read, has bad rows that are not to be left out, or nothing but bad rows.
        """
        place, name = Path(path), path if path.startswith(HUB) else Path(path).name
        with naming(place, split):
            large = not path.startswith(HUB) and size_of(place) > LARGE
            corpus = self._kept(split, path) if large else corpus_of(*self._read(split, path))
        bad, long = tell_bad(corpus, name), tell_long(corpus, name, self.sides.limits)
        if bad and not (self.skip and len(corpus)):
            raise PartError(bad, option=split, allowed="rows that are whole; bad_rows: skip leaves the others out")
        if long and not len(corpus):
            raise PartError(long, option=f"longest_{NAMES[self.sides.limits[0] is None]}", allowed="a larger number")
        for told in (bad, long):
            if told:
                warnings.warn(f"{told}; they are left out", stacklevel=2)
        return corpus

    def _read(self, split: Split, path: str, take: Callable[[Columns], None] | None = None) -> tuple[Columns, Notes]:
        return read_columns(self.rows(split, path), self.sides, self.seed, take)

    def _kept(self, split: Split, path: str) -> Corpus:
        """The pairs of a large file, from the Arrow file that holds them or else by way of it."""
        folder = cache_folder() / "pairs"
        place = folder / f"{self._key(Path(path), self.layout.format_of(Path(path), split))}.arrow"
        found = read_arrow(place)
        if found is None:
            try:
                self._keep(split, path, place)
            except OSError as error:
                message = f"cannot keep the pairs of {path!r} in {str(folder)!r}: {error.strerror or error}"
                raise SeqtoolError(f"{message}; SEQTOOL_CACHE names another folder") from error
            found = read_arrow(place)
        if found is None:
            raise SeqtoolError(f"{place} was written and cannot be read; remove it, or set SEQTOOL_CACHE")
        return found

    def _keep(self, split: Split, path: str, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            spool = Spool(place.parent, stack)
            columns, notes = self._read(split, path, spool.take)
            spool.take(columns)
            write_arrow(place, spool, notes)

    def _key(self, path: Path, kind: str) -> str:
        """What names the pairs of a file: its bytes, and all that they are read by."""
        sides = self.sides
        tokens = (sides.source.described(), sides.target.described())
        how = (FORMAT, kind, self.layout, tokens, sides.separator, sides.limits, self.seed)
        digest = hashlib.blake2b(repr(how).encode(), digest_size=20)
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()


def tell_bad(corpus: Corpus, name: str) -> str:
    """How many rows were bad, and where the first of them are; empty for none."""
    notes = corpus.notes
    count, whole = notes.counts["bad"], notes.counts["rows"]
    if not count:
        return ""
    more = f"; and {count - len(notes.bad)} more" if count > len(notes.bad) else ""
    return f"{name} has {count} bad row{'s' * (count > 1)} of {whole}: {'; '.join(notes.bad)}{more}"


def tell_long(corpus: Corpus, name: str, limits: tuple[int | None, int | None]) -> str:
    """How many pairs are too long, and where the first of them are; empty for none."""
    notes = corpus.notes
    count, whole = notes.counts["too_long"], notes.counts["rows"]
    if not count:
        return ""
    most = " or ".join(f"{limit} {side}" for limit, side in zip(limits, NAMES, strict=True) if limit is not None)
    more = f" and {count - len(notes.long)} more" if count > len(notes.long) else ""
    lines = f"line{'s' * (count > 1)} {', '.join(map(str, notes.long))}{more}"
    return f"{name} has {count} pair{'s' * (count > 1)} of {whole} with more than {most} tokens: {lines}"
