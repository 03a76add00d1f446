"""The pairs of one file as flat ids, and a count of those that were left out."""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from seqtool.api import Ragged
from seqtool_text.tables import Row

SHOWN = 5
"""So many bad rows are named."""

RESERVED = frozenset(("<unk>", "</s>", "<s>"))


class Numbers(dict[str, int]):
    """Symbols in the order in which they were met."""

    def __missing__(self, symbol: str) -> int:
        self[symbol] = len(self)
        return self[symbol]


@dataclass
class Corpus:
    """Pairs that were read. `lines`: the number of the line of each; `chances`: see `chance`."""

    source: Ragged
    target: Ragged
    lines: Tensor
    chances: Tensor
    bad: list[str]
    counts: dict[str, int]

    def __len__(self) -> int:
        return len(self.source)


@dataclass
class Sides:
    """What a row is taken apart by: `split` gives the tokens of its source and target; `limits`, their most tokens."""

    split: Callable[[Sequence[str]], tuple[list[str], list[str]]]
    limits: tuple[int | None, int | None]
    symbols: tuple[Numbers, Numbers] = field(default_factory=lambda: (Numbers(), Numbers()))


def read_corpus(rows: Iterable[Row], sides: Sides, seed: int) -> Corpus:
    """All rows of a file, those left out counted."""
    flat, starts = (array("i"), array("i")), (array("q", [0]), array("q", [0]))
    lines, chances, bad = array("q"), array("d"), list[str]()
    counts = {"rows": 0, "bad": 0, "too_long": 0}
    most = [float("inf") if limit is None else limit for limit in sides.limits]
    numbers = [known.__getitem__ for known in sides.symbols]
    for number, values, fault in rows:
        counts["rows"] += 1
        try:
            if fault:
                raise ValueError(fault)
            source, target = sides.split(values)
            _refuse(source, target)
        except ValueError as error:
            counts["bad"] += 1
            if len(bad) < SHOWN:
                bad.append(f"line {number}: {error}")
            continue
        if len(source) > most[0] or len(target) > most[1]:
            counts["too_long"] += 1
            continue
        for side, tokens in enumerate((source, target)):
            flat[side].extend(map(numbers[side], tokens))
            starts[side].append(len(flat[side]))
        lines.append(number)
        chances.append(chance(values[0], seed))
    ragged = [Ragged(_tensor(ids, np.int32), _tensor(ends, np.int64)) for ids, ends in zip(flat, starts, strict=True)]
    return Corpus(*ragged, _tensor(lines, np.int64), _tensor(chances, np.float64), bad, counts)


def chance(text: str, seed: int) -> float:
    """A number from 0 to 1 by which a text goes to one split or another, always the same one."""
    digest = hashlib.blake2b(f"{seed}/{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def tell_bad(corpus: Corpus, name: str) -> str:
    """How many rows were bad, and where the first of them are; empty for none."""
    count, whole = corpus.counts["bad"], corpus.counts["rows"]
    if not count:
        return ""
    more = f"; and {count - len(corpus.bad)} more" if count > len(corpus.bad) else ""
    return f"{name} has {count} bad row{'s' * (count > 1)} of {whole}: {'; '.join(corpus.bad)}{more}"


def _refuse(source: list[str], target: list[str]) -> None:
    if not source or not target:
        raise ValueError(f"the {'target' if source else 'source'} is empty")
    taken = RESERVED.intersection(source) or RESERVED.intersection(target)
    if taken:
        raise ValueError(f"the token {min(taken)!r}, which has a meaning of its own")


def _tensor(numbers: "array[int] | array[float]", kind: type) -> Tensor:
    """The same memory as a tensor."""
    return torch.from_numpy(np.frombuffer(numbers, dtype=kind)) if numbers else torch.from_numpy(np.empty(0, kind))
