"""Training, validation and test pairs: from files of their own, or by lot from the training file."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from seqtool.api import Examples, PartError, Ragged, Split, Vocabulary
from seqtool_text.corpus import Corpus
from seqtool_text.frequent_symbols import renumbering
from seqtool_text.row_selection import Picked


@dataclass(frozen=True)
class Shares:
    """What part of the training file's sources validation and test get.

    Raises:
        PartError: they leave nothing.
    """

    valid: float
    test: float

    def __post_init__(self) -> None:
        if self.valid + self.test >= 1:
            raise PartError("validation and test leave nothing to train on", option="valid_share", allowed="less")

    def trains(self, chance: float) -> bool:
        """Whether a source of that chance is left to train on."""
        return self.test <= chance < 1 - self.valid


class Part(NamedTuple):
    """The pairs of a split: those at `places` of what was read."""

    corpus: Corpus
    places: Tensor

    def sides(self, tables: Sequence[Tensor] | None = None) -> tuple[Picked, Picked]:
        """Both sides, under the ids of `tables`; under those of the corpus without."""
        known = self.corpus.notes.symbols
        tables = tables or [torch.arange(len(ids), dtype=torch.int32, device="cpu") for ids in known]
        rows: list[Ragged] = [self.corpus.source, self.corpus.target]
        source, target = (Picked(r.values, r.starts, self.places, t) for r, t in zip(rows, tables, strict=True))
        return source, target


def parted(corpora: Mapping[Split, Corpus], shares: Shares) -> dict[Split, Part]:
    """Each split's pairs; those of a split without a file are taken from training's by lot, and stand in its order.

    The first of them are then as good a sample as any, however the file is sorted.
    """
    train = corpora["train"]
    test, valid = train.chances < shares.test, train.chances >= 1 - shares.valid
    lot = train.chances.argsort(stable=True)
    by_lot: dict[Split, Tensor] = {"valid": lot[valid[lot]], "test": lot[test[lot]]}
    parts: dict[Split, Part] = {"train": Part(train, (~(test | valid)).nonzero()[:, 0])}
    for split, places in by_lot.items():
        own = corpora.get(split)
        parts[split] = Part(train, places) if own is None else Part(own, torch.arange(len(own), device="cpu"))
    return parts


def in_vocabulary(split: Split, part: Part, words: tuple[Vocabulary, Vocabulary], drop: bool) -> Examples:
    """The pairs of a split in the ids of the vocabularies.

    Args:
        drop: leave pairs with unknown symbols out, count them, and say so in a warning.

    Raises:
        PartError: there are such pairs, and they are not to be left out.
    """
    notes = part.corpus.notes
    source, target = part.sides([renumbering(ids, word) for ids, word in zip(notes.symbols, words, strict=True)])
    if all(word.unknown is not None for word in words):
        return Examples(source, target)
    whole = source.known() & target.known()
    strangers = len(source) - int(whole.sum())
    if not strangers:
        return Examples(source, target)
    line = int(part.corpus.lines[part.places[~whole][0]])
    told = f"unknown symbols in {strangers} {split} pairs, the first in line {line}"
    if not drop:
        raise PartError(told, option="unknown", allowed="symbol, drop")
    notes.counts["unknown"] = notes.counts.get("unknown", 0) + strangers
    warnings.warn(f"{told}; they are left out", stacklevel=2)
    places = whole.nonzero()[:, 0]
    return Examples(source.at(places), target.at(places))


def require(count: int, what: str, option: str, allowed: str) -> None:
    """Refuse a split without examples."""
    if not count:
        raise PartError(f"there are no {what} examples", option=option, allowed=allowed)
