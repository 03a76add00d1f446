"""The pairs of one file as flat ids, and a count of those that were left out."""

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

SHOWN = 5
"""So many bad rows are named, and so many long ones."""
PIECE = 1 << 16
"""So many pairs are held before they are handed on, where there is someone to take them."""

RESERVED = frozenset(("<unk>", "</s>", "<s>"))


class Numbers(dict[str, int]):
    """Symbols in the order in which they were met."""

    def __missing__(self, symbol: str) -> int:
        self[symbol] = len(self)
        return self[symbol]


@dataclass
class Notes:
    """What there is to say of a file beside its pairs: `long`, the numbers of the first rows that are too long."""

    symbols: tuple[Numbers, Numbers] = field(default_factory=lambda: (Numbers(), Numbers()))
    counts: dict[str, int] = field(default_factory=lambda: {"rows": 0, "bad": 0, "too_long": 0})
    bad: list[str] = field(default_factory=list)
    long: list[int] = field(default_factory=list)


@dataclass
class Corpus:
    """Pairs that were read. `lines`: the number of the line of each; `chances`: see `chance`."""

    source: Ragged
    target: Ragged
    lines: Tensor
    chances: Tensor
    notes: Notes

    def __len__(self) -> int:
        return len(self.source)


class Columns:
    """Pairs as they come: the ids of both sides and where each ends, the lines and the chances."""

    def __init__(self) -> None:
        self.ids, self.ends = (array("i"), array("i")), (array("q", [0]), array("q", [0]))
        self.lines, self.chances = array("q"), array("d")

    def parts(self) -> "list[array[int] | array[float]]":
        """In the order in which files keep them."""
        return [*self.ids, *self.ends, self.lines, self.chances]


def read_columns(
    rows: Iterable[Row], sides: Sides, seed: int, take: Callable[[Columns], None] | None = None
) -> tuple[Columns, Notes]:
    """All rows of a file, those left out counted; `take` gets the pairs a piece at a time, and empties it."""
    columns, notes = Columns(), Notes()
    longest = [float("inf") if limit is None else limit for limit in sides.limits]
    numbers = [known.__getitem__ for known in notes.symbols]
    lengths = [0, 0]
    for number, values, fault in rows:
        notes.counts["rows"] += 1
        try:
            if fault:
                raise ValueError(fault)
            pair = sides.split(values)
            _refuse(*pair)
        except ValueError as error:
            notes.counts["bad"] += 1
            if len(notes.bad) < SHOWN:
                notes.bad.append(f"line {number}: {error}")
            continue
        if len(pair[0]) > longest[0] or len(pair[1]) > longest[1]:
            notes.counts["too_long"] += 1
            if len(notes.long) < SHOWN:
                notes.long.append(number)
            continue
        for side, tokens in enumerate(pair):
            columns.ids[side].extend(map(numbers[side], tokens))
            lengths[side] += len(tokens)
            columns.ends[side].append(lengths[side])
        columns.lines.append(number)
        columns.chances.append(chance(values[0], seed))
        if take and len(columns.lines) >= PIECE:
            take(columns)
    return columns, notes


def corpus_of(columns: Columns, notes: Notes) -> Corpus:
    """The pairs in memory."""
    ids, ends = columns.ids, columns.ends
    sides = [Ragged(_tensor(ids[side], np.int32), _tensor(ends[side], np.int64)) for side in (0, 1)]
    return Corpus(*sides, _tensor(columns.lines, np.int64), _tensor(columns.chances, np.float64), notes)


def chance(text: str, seed: int) -> float:
    """A number from 0 to 1 by which a text goes to one split or another, always the same one."""
    digest = hashlib.blake2b(f"{seed}/{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _refuse(source: list[str], target: list[str]) -> None:
    if not source or not target:
        raise ValueError(f"the {'target' if source else 'source'} is empty")
    taken = RESERVED.intersection(source) or RESERVED.intersection(target)
    if taken:
        raise ValueError(f"the token {min(taken)!r}, which has a meaning of its own")


def _tensor(numbers: "array[int] | array[float]", kind: type) -> Tensor:
    """The same memory as a tensor."""
    return torch.from_numpy(np.frombuffer(numbers, dtype=kind)) if numbers else torch.from_numpy(np.empty(0, kind))
