"""Pairs of a source and its accepted targets, read from lines of text or given in Python."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from seqtool.errors import MisuseError, SeqtoolError
from seqtool.inference.text_lines import Line, decode

Ids = tuple[Any, ...]
"""Ids, or the vectors of a continuous source."""


@dataclass(frozen=True)
class Pair:
    """A source and its accepted targets, without end symbols."""

    source: Ids
    targets: tuple[Ids, ...]


def read_pairs(
    lines: Iterable[Line],
    encode_source: Callable[[str], Ids],
    encode_target: Callable[[str], Ids],
    on_error: Callable[[SeqtoolError], None],
) -> list[Pair]:
    """The pairs of lines `source<TAB>target`; several lines with one source give one pair with several targets.

    Args:
        on_error: called with the error of a line; if it returns, the line is skipped.
    """
    return group_by_source(_encode(lines, encode_source, encode_target, on_error))


def as_pair(value: Any, encode_source: Callable[[str], Ids], encode_target: Callable[[str], Ids]) -> Pair:
    """The pair of `(source, target)` strings; a `Pair` is returned unchanged.

    Raises:
        MisuseError: the value is neither. SeqtoolError: the task cannot encode one of the strings.
    """
    if isinstance(value, Pair):
        return value
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(isinstance(text, str) for text in value):
        raise MisuseError(f"a pair must be two strings, a source and its target; got {value!r}")
    return Pair(encode_source(value[0]), (encode_target(value[1]),))


def group_by_source(rows: Iterable[tuple[Ids, Ids]]) -> list[Pair]:
    """One pair for each source, in order of first occurrence, with all of its targets."""
    found: dict[Ids, dict[Ids, None]] = {}
    for source, target in rows:
        found.setdefault(source, {})[target] = None
    return [Pair(source, tuple(targets)) for source, targets in found.items()]


def _encode(
    lines: Iterable[Line],
    encode_source: Callable[[str], Ids],
    encode_target: Callable[[str], Ids],
    on_error: Callable[[SeqtoolError], None],
) -> Iterator[tuple[Ids, Ids]]:
    for line in lines:
        try:
            source, tab, target = decode(line).rpartition("\t")
            if not tab:
                raise SeqtoolError("no tab: a line must be a source, a tab and a target")
            yield encode_source(source), encode_target(target)
        except SeqtoolError as error:
            on_error(SeqtoolError(f"{line.place}: {error}"))
