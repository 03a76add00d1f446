"""Training, validation and test pairs: from their own files, or drawn from the training file."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from seqtool.api import Examples, PartError, Ragged, Split, Vocabulary
from seqtool_text.corpus import Corpus
from seqtool_text.frequent_symbols import renumbering
from seqtool_text.row_selection import RowSelection


@dataclass(frozen=True)
class SplitFractions:
    """The fractions of the training file's sources that validation and test get.

    Raises:
        PartError: they leave no training pairs.
    """

    valid: float
    test: float

    def __post_init__(self) -> None:
        if self.valid + self.test >= 1:
            raise PartError("validation and test leave no pairs for training", option="valid_share", allowed="less")

    def is_training(self, split_key: float) -> bool:
        """Whether a source with this `split_key` belongs to the training split."""
        return self.test <= split_key < 1 - self.valid


class SplitPairs(NamedTuple):
    """The pairs of a split: those at `indices` of a corpus."""

    corpus: Corpus
    indices: Tensor

    def sides(self, tables: Sequence[Tensor] | None = None) -> tuple[RowSelection, RowSelection]:
        """Both sides, with ids mapped by `tables`, or with the ids of the corpus."""
        known = self.corpus.summary.symbols
        tables = tables or [torch.arange(len(ids), dtype=torch.int32, device="cpu") for ids in known]
        rows: list[Ragged] = [self.corpus.source, self.corpus.target]
        source, target = (RowSelection(r.values, r.starts, self.indices, t) for r, t in zip(rows, tables, strict=True))
        return source, target


def split_corpora(corpora: Mapping[Split, Corpus], fractions: SplitFractions) -> dict[Split, SplitPairs]:
    """The pairs of each split; a split without a file is drawn from the training file, in random order.

    The first pairs of such a split are then a random sample even if the file is sorted.
    """
    train = corpora["train"]
    test, valid = train.split_keys < fractions.test, train.split_keys >= 1 - fractions.valid
    by_key = train.split_keys.argsort(stable=True)
    drawn: dict[Split, Tensor] = {"valid": by_key[valid[by_key]], "test": by_key[test[by_key]]}
    parts: dict[Split, SplitPairs] = {"train": SplitPairs(train, (~(test | valid)).nonzero()[:, 0])}
    for split, indices in drawn.items():
        corpus = corpora.get(split)
        if corpus is None:
            parts[split] = SplitPairs(train, indices)
        else:
            parts[split] = SplitPairs(corpus, torch.arange(len(corpus), device="cpu"))
    return parts


def split_examples(split: Split, part: SplitPairs, vocabularies: tuple[Vocabulary, Vocabulary], drop: bool) -> Examples:
    """The pairs of a split, with the ids of the vocabularies.

    Args:
        drop: skip pairs with unknown symbols, count them, and warn.

    Raises:
        PartError: there are such pairs and `drop` is false.
    """
    summary = part.corpus.summary
    tables = [renumbering(ids, vocabulary) for ids, vocabulary in zip(summary.symbols, vocabularies, strict=True)]
    source, target = part.sides(tables)
    if all(vocabulary.unknown is not None for vocabulary in vocabularies):
        return Examples(source, target)
    known = source.known() & target.known()
    num_unknown = len(source) - int(known.sum())
    if not num_unknown:
        return Examples(source, target)
    line = int(part.corpus.lines[part.indices[~known][0]])
    message = f"unknown symbols in {num_unknown} {split} pairs, the first in line {line}"
    if not drop:
        raise PartError(message, option="unknown", allowed="symbol, drop")
    summary.counts["unknown"] = summary.counts.get("unknown", 0) + num_unknown
    warnings.warn(f"{message}; they are skipped", stacklevel=2)
    indices = known.nonzero()[:, 0]
    return Examples(source.at(indices), target.at(indices))


def require(count: int, what: str, option: str, allowed: str) -> None:
    """Refuse a split without examples."""
    if not count:
        raise PartError(f"there are no {what} examples", option=option, allowed=allowed)
