"""Embeddings, readouts, losses, metrics and schedules by hand or by loops in plain Python."""

import math
from typing import Any

import pytest
import torch

from seqtool.equations.vectors import plus, times
from seqtool.parts.batch import Batch
from seqtool.parts.vocabulary import Vocabulary
from seqtool.registry import default_registry

VOCABULARY = Vocabulary(("_", "a", "b", "</s>", "<s>"), blank=0, start=4, end=3)


def build(kind: str, name: str, *sizes: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    return default_registry().find(kind, name).load()(*sizes, **options)


def test_one_hot_has_no_column_for_what_carries_no_content() -> None:
    embedding = build("embedding", "one_hot", VOCABULARY)
    wanted = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    assert embedding.output_size == 3
    assert embedding(torch.tensor([[0, 1, 2, 3, 4]])).tolist() == [wanted]


def test_learned_embedding_is_a_table() -> None:
    embedding = build("embedding", "learned", VOCABULARY, embedding_size=3)
    table = embedding.vectors.weight.tolist()
    assert embedding(torch.tensor([[4, 1], [1, 0]])).tolist() == [[table[4], table[1]], [table[1], table[0]]]


def test_linear_readout() -> None:
    readout = build("readout", "linear", 3, 2).double()
    features = torch.randn(2, 5, 3, dtype=torch.float64)
    w, b = readout.map.weight.tolist(), readout.map.bias.tolist()
    wanted = [[plus(times(w, x), b) for x in row] for row in features.tolist()]
    torch.testing.assert_close(readout(features), torch.tensor(wanted, dtype=torch.float64))


def batch() -> Batch:
    """Targets of 3, 1 and 0 symbols."""
    mask = torch.arange(3) < torch.tensor([[3], [1], [0]])
    target = torch.tensor([[1, 0, 1], [1, 0, 0], [0, 0, 0]])
    source = torch.zeros(3, 2, dtype=torch.int64)
    return Batch(source, torch.ones(3, 2, dtype=torch.bool), target, mask, torch.full((3, 3), -1))


def test_cross_entropy_by_loops() -> None:
    logits = torch.randn(3, 3, 2, dtype=torch.float64)
    total, count = build("loss", "cross_entropy")(logits, None, batch())
    wanted = 0.0
    for row, length in enumerate((3, 1, 0)):
        for step in range(length):
            scores = logits[row, step].tolist()
            gold = scores[batch().target[row, step]]
            wanted += math.log(sum(math.exp(score) for score in scores)) - gold
    assert float(total) == pytest.approx(wanted, abs=1e-10)
    assert int(count) == 4


@pytest.mark.parametrize(
    ("name", "predicted", "value"),
    [
        ("token_accuracy", [[1, 0, 0], [1, 5, 5], [5, 5, 5]], 3 / 4),
        ("decoded_token_accuracy", [[1, -1, -1], [0, 0, 0], [0, 0, 0]], 1 / 4),
        ("sequence_accuracy", [[1, 0, 1], [0, 0, 0], [5, 5, 5]], 2 / 3),
        ("sequence_accuracy", [[1, 0, -1], [1, -1, -1], [-1, -1, -1]], 2 / 3),
    ],
)
def test_metric_by_hand(name: str, predicted: list[list[int]], value: float) -> None:
    metric = build("metric", name)
    assert metric.compute(metric.sums(torch.tensor(predicted), batch())) == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "options", "factors"),
    [
        ("linear", {}, [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        ("linear", {"warmup_steps": 2, "end": 0.5}, [0.5, 1.0, 1.0, 0.75, 0.5, 0.5]),
        ("cosine", {}, [1.0, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125), 0.0, 0.0]),
        ("cosine", {"end": 0.2}, [1.0, 0.6 + 0.8 * math.sqrt(0.125), 0.6, 0.6 - 0.8 * math.sqrt(0.125), 0.2, 0.2]),
        ("inverse_sqrt", {"warmup_steps": 2}, [0.5, 1.0, math.sqrt(2 / 3), math.sqrt(1 / 2)]),
        ("exponential", {"gamma": 0.25, "every": 2}, [1.0, 0.5, 0.25, 0.125]),
    ],
)
def test_schedule_by_hand(name: str, options: dict[str, Any], factors: list[float]) -> None:
    schedule = build("schedule", name, 4, **options)
    assert [schedule.factor(step) for step in range(len(factors))] == pytest.approx(factors)
