"""Vocabularies from counts."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqtool.api import Ragged, Vocabulary


def frequent(known: dict[str, int], rows: Ragged, least: int) -> list[str]:
    """The symbols that `rows` have `least` times, the most frequent first, equally frequent ones in order.

    `known` numbers the symbols, in the order of its keys.
    """
    counts = torch.bincount(rows.values, minlength=len(known)).tolist()
    pairs = [(-count, symbol) for symbol, count in zip(known, counts, strict=True) if count >= least]
    return [symbol for _, symbol in sorted(pairs)]


def vocabulary(symbols: Sequence[str], unknown: bool, closed: bool = False) -> Vocabulary:
    """The symbols, one for all that are unknown, and for a target its end and its start."""
    inner = (*symbols, *(("<unk>",) if unknown else ()))
    stranger = len(symbols) if unknown else None
    if not closed:
        return Vocabulary(inner, unknown=stranger)
    return Vocabulary((*inner, "</s>", "<s>"), unknown=stranger, end=len(inner), start=len(inner) + 1)


def renumber(rows: Ragged, known: dict[str, int], wanted: Vocabulary) -> Ragged:
    """Ids of `known` as those of a vocabulary, -1 for what it has not."""
    ids = [wanted.find(symbol) for symbol in known]
    table: Tensor = torch.tensor([-1 if i is None else i for i in ids], dtype=torch.int32)
    return Ragged(table[rows.values], rows.starts)
