"""Pairs of a source and its targets from lines of text: what a model is measured on beside its own splits."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from seqtool.errors import MisuseError, SeqtoolError
from seqtool.inference.text_lines import Line, decode

Ids = tuple[Any, ...]
"""Ids, or the vectors of a source of values."""


@dataclass(frozen=True)
class Pair:
    """A source, and the targets that are right for it, the end symbols left out."""

    source: Ids
    targets: tuple[Ids, ...]


def read_pairs(
    lines: Iterable[Line],
    read_source: Callable[[str], Ids],
    read_target: Callable[[str], Ids],
    on_bad: Callable[[SeqtoolError], None],
) -> list[Pair]:
    """The pairs of lines: a source as it is predicted from, a tab, and its target.

    Lines with the same source are one pair with several targets that are right, wherever they stand.

    Args:
        on_bad: called with what is wrong with a line; when it returns, the line is left out.
    """
    return joined(_read(lines, read_source, read_target, on_bad))


def pair_of(given: Any, read_source: Callable[[str], Ids], read_target: Callable[[str], Ids]) -> Pair:
    """A pair as Python code gives it: one that was read, or a source and its target as texts.

    Raises:
        MisuseError: it is neither. SeqtoolError: the task cannot read one of the texts.
    """
    if isinstance(given, Pair):
        return given
    if not isinstance(given, tuple | list) or len(given) != 2 or not all(isinstance(text, str) for text in given):
        raise MisuseError(f"a pair is a source and its target, two texts; got {given!r}")
    return Pair(read_source(given[0]), (read_target(given[1]),))


def joined(rows: Iterable[tuple[Ids, Ids]]) -> list[Pair]:
    """Sources in the order in which they first come, each with all of its targets."""
    found: dict[Ids, dict[Ids, None]] = {}
    for source, target in rows:
        found.setdefault(source, {})[target] = None
    return [Pair(source, tuple(targets)) for source, targets in found.items()]


def _read(
    lines: Iterable[Line],
    read_source: Callable[[str], Ids],
    read_target: Callable[[str], Ids],
    on_bad: Callable[[SeqtoolError], None],
) -> Iterator[tuple[Ids, Ids]]:
    for line in lines:
        try:
            source, tab, target = decode(line).rpartition("\t")
            if not tab:
                raise SeqtoolError("no tab: a line is a source, a tab and its target")
            yield read_source(source), read_target(target)
        except SeqtoolError as error:
            on_bad(SeqtoolError(f"{line.place}: {error}"))
