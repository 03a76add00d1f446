"""Vocabularies from counts."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqtool.api import Vocabulary
from seqtool_text.row_selection import Picked


def frequent(known: dict[str, int], rows: Picked, least: int) -> list[str]:
    """The symbols that `rows` have `least` times, the most frequent first, equally frequent ones in order.

    `known` numbers the symbols, in the order of its keys, and `rows` are under these numbers.
    """
    counts = torch.zeros(len(known), dtype=torch.int64, device="cpu")
    for ids, _ in rows.chunks():
        counts += torch.bincount(ids, minlength=len(known))
    pairs = [(-count, symbol) for symbol, count in zip(known, counts.tolist(), strict=True) if count >= least]
    return [symbol for _, symbol in sorted(pairs)]


def vocabularies(symbols: Sequence[Sequence[str]], unknown: bool) -> tuple[Vocabulary, Vocabulary]:
    """Those of both sides: the symbols, one for all that are unknown, and for targets an end and a start."""
    (source, source_unknown), (target, target_unknown) = (
        ((*some, "<unk>"), len(some)) if unknown else (tuple(some), None) for some in symbols
    )
    end, start = len(target), len(target) + 1
    closed = Vocabulary((*target, "</s>", "<s>"), unknown=target_unknown, end=end, start=start)
    return Vocabulary(source, unknown=source_unknown), closed


def renumbering(known: dict[str, int], wanted: Vocabulary) -> Tensor:
    """The id of a vocabulary for each number in `known`, -1 for what it has not."""
    ids = [wanted.find(symbol) for symbol in known]
    return torch.tensor([-1 if i is None else i for i in ids], dtype=torch.int32, device="cpu")
