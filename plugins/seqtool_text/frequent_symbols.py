"""Vocabularies of the symbols that are frequent enough."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqtool.api import Vocabulary
from seqtool_text.row_selection import RowSelection


def frequent_symbols(known: dict[str, int], rows: RowSelection, min_count: int) -> list[str]:
    """The symbols that occur at least `min_count` times, by decreasing count, then in alphabetical order.

    `known` maps the symbols to the ids of `rows`, in order.
    """
    counts = torch.zeros(len(known), dtype=torch.int64, device="cpu")
    for ids, _ in rows.chunks():
        counts += torch.bincount(ids, minlength=len(known))
    pairs = [(-count, symbol) for symbol, count in zip(known, counts.tolist(), strict=True) if count >= min_count]
    return [symbol for _, symbol in sorted(pairs)]


def vocabularies(symbols: Sequence[Sequence[str]], unknown: bool) -> tuple[Vocabulary, Vocabulary]:
    """The vocabularies of both sides: the symbols, `<unk>` if `unknown`, and an end and a start for targets."""
    (source, source_unknown), (target, target_unknown) = (
        ((*some, "<unk>"), len(some)) if unknown else (tuple(some), None) for some in symbols
    )
    end, start = len(target), len(target) + 1
    target_vocabulary = Vocabulary((*target, "</s>", "<s>"), unknown=target_unknown, end=end, start=start)
    return Vocabulary(source, unknown=source_unknown), target_vocabulary


def renumbering(known: dict[str, int], vocabulary: Vocabulary) -> Tensor:
    """The vocabulary's id for each id in `known`, -1 for symbols that it lacks."""
    ids = [vocabulary.find(symbol) for symbol in known]
    return torch.tensor([-1 if i is None else i for i in ids], dtype=torch.int32, device="cpu")
