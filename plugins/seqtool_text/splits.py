"""Training, validation and test pairs: from files of their own, or by lot from the training file."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from seqtool.api import Examples, PartError, Ragged, Split, Vocabulary
from seqtool_text.corpus import Corpus, Numbers, Sides, read_corpus, tell_bad
from seqtool_text.lines import naming
from seqtool_text.symbols import renumber
from seqtool_text.tables import Layout, rows


def file_corpus(split: Split, path: str, layout: Layout, sides: Sides, seed: int, skip: bool) -> Corpus:
    """The pairs of a file.

    Args:
        skip: leave bad rows out, and say so in a warning.

    Raises:
        PartError: it cannot be read, has bad rows that are not to be left out, or nothing but bad rows.
    """
    place = Path(path)
    with naming(place, split):
        corpus = read_corpus(rows(place, split, layout), sides, seed)
    told = tell_bad(corpus, place.name)
    if told and not (skip and len(corpus)):
        raise PartError(told, option=split, allowed="rows that are whole; bad_rows: skip leaves the others out")
    if told:
        warnings.warn(f"{told}; they are left out", stacklevel=2)
    return corpus


def parted(corpora: Mapping[Split, Corpus], shares: Mapping[str, float]) -> dict[Split, Corpus]:
    """Each split's pairs; those of a split without a file are taken from training's by lot, and stand in its order.

    The first of them are then as good a sample as any, however the file is sorted.
    """
    train = corpora["train"]
    test, valid = train.chances < shares["test"], train.chances >= 1 - shares["valid"]
    lot = train.chances.argsort(stable=True)
    return {
        "train": _some(train, (~(test | valid)).nonzero()[:, 0]),
        "valid": corpora["valid"] if "valid" in corpora else _some(train, lot[valid[lot]]),
        "test": corpora["test"] if "test" in corpora else _some(train, lot[test[lot]]),
    }


def in_vocabulary(
    split: Split, corpus: Corpus, known: Sequence[Numbers], words: Sequence[Vocabulary], drop: bool
) -> Examples:
    """The pairs of a split in the ids of the vocabularies.

    Args:
        drop: leave pairs with unknown symbols out, count them, and say so in a warning.

    Raises:
        PartError: there are such pairs, and they are not to be left out.
    """
    pairs = zip((corpus.source, corpus.target), known, words, strict=True)
    source, target = (renumber(ragged, ids, vocabulary) for ragged, ids, vocabulary in pairs)
    whole = _known(source) & _known(target)
    strangers = len(source) - int(whole.sum())
    if not strangers:
        return Examples(source, target)
    told = f"unknown symbols in {strangers} {split} pairs, the first in line {int(corpus.lines[~whole][0])}"
    if not drop:
        raise PartError(told, option="unknown", allowed="symbol, drop")
    corpus.counts["unknown"] = corpus.counts.get("unknown", 0) + strangers
    warnings.warn(f"{told}; they are left out", stacklevel=2)
    places = whole.nonzero()[:, 0]
    return Examples(_taken(source, places), _taken(target, places))


def require(count: int, what: str, option: str, allowed: str) -> None:
    """Refuse a split without examples."""
    if not count:
        raise PartError(f"there are no {what} examples", option=option, allowed=allowed)


def _some(corpus: Corpus, places: Tensor) -> Corpus:
    """The pairs at `places`, in their order; `counts` stays that of the file."""
    return replace(
        corpus,
        source=_taken(corpus.source, places),
        target=_taken(corpus.target, places),
        lines=corpus.lines[places],
        chances=corpus.chances[places],
    )


def _taken(rows: Ragged, places: Tensor) -> Ragged:
    length = rows.lengths(places)
    starts = torch.nn.functional.pad(length.cumsum(0), (1, 0))
    shift = (rows.starts[places] - starts[:-1]).repeat_interleave(length)
    return Ragged(rows.values[shift.add_(torch.arange(len(shift)))], starts)


def _known(rows: Ragged) -> Tensor:
    """`[N]`, false for rows that hold an id below 0."""
    before = torch.nn.functional.pad((rows.values < 0).cumsum(0), (1, 0))[rows.starts]
    return before.diff() == 0
