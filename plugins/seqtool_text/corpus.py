"""The pairs of one file as ids, and counts of skipped rows."""

import hashlib
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from seqtool.api import Ragged
from seqtool_text.sides import Sides
from seqtool_text.tables import Row

MAX_REPORTED = 5
"""The most bad rows and the most long pairs that are listed."""
CHUNK_SIZE = 1 << 16
"""Pairs that are collected before they are passed to `consume`."""

RESERVED = frozenset(("<unk>", "</s>", "<s>"))


class SymbolIds(dict[str, int]):
    """Ids of symbols, in the order of first occurrence."""

    def __missing__(self, symbol: str) -> int:
        self[symbol] = len(self)
        return self[symbol]


@dataclass
class Summary:
    """The symbols of a file, its counts, descriptions of the first bad rows, and the lines of the first long pairs."""

    symbols: tuple[SymbolIds, SymbolIds] = field(default_factory=lambda: (SymbolIds(), SymbolIds()))
    counts: dict[str, int] = field(default_factory=lambda: {"rows": 0, "bad": 0, "too_long": 0})
    bad: list[str] = field(default_factory=list)
    long: list[int] = field(default_factory=list)


@dataclass
class Corpus:
    """The pairs of a file, with the line number and the `split_key` of each."""

    source: Ragged
    target: Ragged
    lines: Tensor
    split_keys: Tensor
    summary: Summary

    def __len__(self) -> int:
        return len(self.source)


class Columns:
    """Pairs while they are read: the ids of both sides, where each ends, lines and split keys."""

    def __init__(self) -> None:
        self.ids, self.ends = (array("i"), array("i")), (array("q", [0]), array("q", [0]))
        self.lines, self.split_keys = array("q"), array("d")

    def parts(self) -> "list[array[int] | array[float]]":
        """All columns, in the order of the Arrow file."""
        return [*self.ids, *self.ends, self.lines, self.split_keys]


def read_columns(
    rows: Iterable[Row], sides: Sides, seed: int, consume: Callable[[Columns], None] | None = None
) -> tuple[Columns, Summary]:
    """Read all rows of a file and count those skipped; `consume` receives and empties chunks of pairs."""
    columns, summary = Columns(), Summary()
    longest = [float("inf") if limit is None else limit for limit in sides.limits]
    ids_of = [known.__getitem__ for known in summary.symbols]
    lengths = [0, 0]
    for number, values, fault in rows:
        summary.counts["rows"] += 1
        try:
            if fault:
                raise ValueError(fault)
            pair = sides.split(values)
            _check(*pair)
        except ValueError as error:
            summary.counts["bad"] += 1
            if len(summary.bad) < MAX_REPORTED:
                summary.bad.append(f"line {number}: {error}")
            continue
        if len(pair[0]) > longest[0] or len(pair[1]) > longest[1]:
            summary.counts["too_long"] += 1
            if len(summary.long) < MAX_REPORTED:
                summary.long.append(number)
            continue
        for side, tokens in enumerate((sides.ended(pair[0]), pair[1])):
            columns.ids[side].extend(map(ids_of[side], tokens))
            lengths[side] += len(tokens)
            columns.ends[side].append(lengths[side])
        columns.lines.append(number)
        columns.split_keys.append(split_key(sides.source.normalize(values[0]), seed))
        if consume and len(columns.lines) >= CHUNK_SIZE:
            consume(columns)
    return columns, summary


def corpus_from(columns: Columns, summary: Summary) -> Corpus:
    """The pairs in memory."""
    ids, ends = columns.ids, columns.ends
    sides = [Ragged(_tensor(ids[side], np.int32), _tensor(ends[side], np.int64)) for side in (0, 1)]
    return Corpus(*sides, _tensor(columns.lines, np.int64), _tensor(columns.split_keys, np.float64), summary)


def split_key(text: str, seed: int) -> float:
    """A number in [0, 1] that determines the split of a text, a function of the text and the seed."""
    digest = hashlib.blake2b(f"{seed}/{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _check(source: list[str], target: list[str]) -> None:
    if not source or not target:
        raise ValueError(f"the {'target' if source else 'source'} is empty")
    reserved = RESERVED.intersection(source) or RESERVED.intersection(target)
    if reserved:
        raise ValueError(f"the token {min(reserved)!r}, which is reserved")


def _tensor(numbers: "array[int] | array[float]", kind: type) -> Tensor:
    """The same memory as a tensor."""
    return torch.from_numpy(np.frombuffer(numbers, dtype=kind)) if numbers else torch.from_numpy(np.empty(0, kind))
