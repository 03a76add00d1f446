"""Predictions against all targets that are accepted, by hand: alternatives count, unknown symbols never do."""

from collections.abc import Sequence
from typing import Literal

import pytest
import torch

import seqtool
from seqtool.api import Batch, Task, Vocabulary
from seqtool.inference.scores import score_symbols
from seqtool.nn.accepted_targets import accept_next_symbols, accepted_targets, comparable, compare_decoded
from seqtool.runs.contents import Example

UNKNOWN, END = 2, 3


class Synonyms(Task):
    """For the source "a" the target is "a"; "bb" and "ab" are accepted as well."""

    source_vocabulary = Vocabulary(("a", "b"))
    target_vocabulary = Vocabulary(("a", "b", "?", "end", "start"), unknown=UNKNOWN, end=END, start=4)
    ending: Literal["fixed", "eos"] = "eos"

    def alternative_targets(self, source: Sequence[int]) -> Sequence[Sequence[int]]:
        return [(1, 1), (0, 1)] if list(source) == [0] else ()


def batch_of(source: int, target: list[int]) -> Batch:
    real = torch.ones(1, len(target), dtype=torch.bool)
    return Batch(torch.tensor([[source]]), real[:, :1], torch.tensor([target]), real, torch.full(real.shape, -1))


@pytest.mark.parametrize(
    ("source", "target", "predicted", "right", "tokens", "edits", "exact"),
    [
        (0, [0, END], [0, END], 2, 2, 0, True),
        (0, [0, END], [1, 1, END], 3, 3, 0, True),
        (0, [0, END], [0, 1, END], 3, 3, 0, True),
        (0, [0, END], [1, END], 1, 2, 1, False),  # one edit from each, and the own target is the first
        (0, [0, END], [0], 1, 2, 0, False),
        (1, [0, END], [1, 1, END], 0, 2, 2, False),  # of this source there is no other target
        (1, [UNKNOWN, END], [UNKNOWN, END], 1, 2, 1, False),  # the two unknown symbols need not be the same
        (1, [UNKNOWN, END], [0, END], 1, 2, 1, False),
    ],
)
def test_decoded_predictions(
    source: int, target: list[int], predicted: list[int], right: int, tokens: int, edits: int, exact: bool
) -> None:
    task = Synonyms()
    ids = torch.tensor([predicted])
    accepted = accepted_targets(task, batch_of(source, target))
    found = compare_decoded(task, ids, torch.ones_like(ids, dtype=torch.bool), accepted)
    assert (int(found.correct.sum()), found.tokens.tolist(), found.exact.tolist()) == (right, [tokens], [exact])
    scores = score_symbols(found, task.target_vocabulary)
    assert (scores.correct.tolist(), scores.tokens.tolist(), scores.exact.tolist()) == ([right], [tokens], [exact])
    assert scores.edits.tolist() == [edits]


@pytest.mark.parametrize(
    ("source", "target", "predicted", "right"),
    [
        (0, [0, END], [0, END], [True, True]),
        (0, [0, END], [1, END], [True, True]),  # "b" begins "bb"
        (0, [0, END], [0, 1], [True, True]),  # in "ab", "b" follows "a"
        (0, [0, END], [0, 0], [True, False]),
        (0, [1, 1, END], [1, 0, END], [True, False, True]),
        (1, [0, END], [1, END], [False, True]),
        (1, [UNKNOWN, END], [UNKNOWN, END], [False, True]),
    ],
)
def test_teacher_forced_predictions(source: int, target: list[int], predicted: list[int], right: list[bool]) -> None:
    task, batch = Synonyms(), batch_of(source, target)
    ids = comparable(torch.tensor([predicted]), batch.target_mask, task.target_vocabulary)
    compared = accept_next_symbols(batch, ids, accepted_targets(task, batch))
    assert (ids == compared.target).tolist() == [right]
    for name, wanted in (("token_accuracy", sum(right) / len(right)), ("sequence_accuracy", float(all(right)))):
        metric = seqtool.make(f"metric/{name}")
        assert metric.compute(metric.sums(ids, compared)) == pytest.approx(wanted)


def test_compared_ids_contain_predicted_known_symbols() -> None:
    ids, mask = torch.tensor([[0, UNKNOWN, 1, 1]]), torch.tensor([[True, True, True, False]])
    assert comparable(ids, mask, Synonyms.target_vocabulary).tolist() == [[0, -1, 1, -1]]
    assert comparable(ids, mask, Vocabulary(("a", "b", "c"))).tolist() == [[0, 2, 1, -1]]


def test_analysis_counts_as_the_run_did() -> None:
    """An accepted target of three symbols was predicted instead of one of two."""
    assert Example([], ["a", "end"], ["b", "b", "end"], exact=True, correct=3, tokens=3).accuracy == (3, 3)
    assert Example([], ["a", "end"], ["a", "b", "end"]).accuracy == (1, 2)
