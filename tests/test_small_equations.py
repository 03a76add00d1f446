"""Embeddings, readouts, losses, metrics and schedules, compared with hand computations or plain loops."""

import math
from typing import Any

import pytest
import torch
from oracle import LENGTHS, SOURCE, STEPS, assert_close, mask, randn

from seqtool import equations as eq
from seqtool.api import PartError
from seqtool.equations.vectors import plus, times
from seqtool.parts.batch import Batch
from seqtool.parts.vocabulary import Continuous, Vocabulary
from seqtool.registry import default_registry

VOCABULARY = Vocabulary(("_", "a", "b", "</s>", "<s>"), blank=0, start=4, end=3)


def build(kind: str, name: str, *sizes: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    return default_registry().find(kind, name).load()(*sizes, **options)


def test_continuous_embedding_is_the_identity() -> None:
    embedding = build("embedding", "continuous", Continuous(size=2))
    values = torch.tensor([[[0.5, -1.0], [0.0, 3.0]]])
    assert embedding.output_size == 2
    assert embedding(values).tolist() == values.tolist()
    assert embedding.double()(values).dtype == torch.float64
    with pytest.raises(PartError, match="this side of the task is symbols"):
        build("embedding", "continuous", VOCABULARY)


def test_one_hot_has_no_column_for_symbols_without_content() -> None:
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


def test_dropout_of_a_linear_readout_masks_the_features_in_training() -> None:
    readout = build("readout", "linear", 300, 300, dropout=0.25)
    with torch.no_grad():
        readout.map.weight.copy_(torch.eye(300))
        readout.map.bias.fill_(1.0)
    features = torch.full((4, 5, 300), 3.0)
    kept = readout.train()(features) - 1
    assert sorted(set(kept.flatten().tolist())) == [0.0, 4.0], "3 / (1 - 0.25)"
    assert 0.72 < (kept > 0).float().mean() < 0.78, "0.75, with a standard deviation of 0.0056"
    assert torch.equal(readout.eval()(features), features + 1)


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


def value_batch() -> Batch:
    """Targets of 3, 1 and 0 positions of two values."""
    one = batch()
    target = torch.tensor([[[1.0, 2.0], [0.0, 0.0], [-1.0, 1.0]], [[0.5, 0.5], [0, 0], [0, 0]], [[0.0, 0.0]] * 3])
    return Batch(one.source, one.source_mask, target, one.target_mask, one.alignment)


def test_mse() -> None:
    written, given = torch.randn(3, 3, 2, dtype=torch.float64), value_batch()
    total, count = build("loss", "mse")(written, None, given)
    wanted = 0.0
    for row, length in enumerate((3, 1, 0)):
        wanted += eq.loss.mse(written[row, :length].tolist(), given.target[row, :length].tolist())
    assert float(total) == pytest.approx(wanted, abs=1e-10)
    assert int(count) == 4


@pytest.mark.parametrize(
    ("off", "tolerance", "right"),
    [
        ([[0.03, -0.03]] * 3, 0.04, [True, True, True]),
        ([[0.03, 0.05], [0, 0], [0, 0]], 0.04, [False, False, True]),  # one component of the first position
        ([[0.03, 0.05], [0, 0], [0, 0]], 0.06, [True, True, True]),
        ([[0, 0], [9, 9], [0, 0]], 0.04, [False, True, True]),  # padding of the second row
        ([[0, 0], [math.nan] * 2, [0, 0]], 0.04, [False, True, True]),
    ],
)
def test_within_by_hand(off: list[list[float]], tolerance: float, right: list[bool]) -> None:
    metric = build("metric", "within", tolerance=tolerance)
    sums = metric.sums(value_batch().target + torch.tensor(off), value_batch())
    assert sums.tolist() == [sum(right), 3]
    assert metric.compute(sums) == pytest.approx(sum(right) / 3)


@pytest.mark.parametrize("rectify", [True, False])
def test_feed_forward_readout(rectify: bool) -> None:
    readout = build("readout", "feed_forward", 5, 7, hidden_size=4, rectify=rectify).double()
    with torch.no_grad():
        for bias in (readout.hidden.bias, readout.map.bias):
            bias.copy_(randn(*bias.shape))
    features = randn(2, 3, 5)
    logits = readout(features)
    w, b = readout.hidden.weight.tolist(), readout.hidden.bias.tolist()
    v, d = readout.map.weight.tolist(), readout.map.bias.tolist()
    for row in range(2):
        wanted = [eq.readout.feed_forward(x, w=w, b=b, v=v, d=d, rectify=rectify) for x in features[row].tolist()]
        assert_close(logits[row], wanted)


def test_deep_output() -> None:
    readout = build("readout", "deep_output", 5, 7, hidden_size=4, pieces=3).double()
    features = randn(2, 3, 5)
    logits = readout(features)
    u = [readout.hidden.weight[k::3].tolist() for k in range(3)]
    c = [readout.hidden.bias[k::3].tolist() for k in range(3)]
    w, b = readout.map.weight.tolist(), readout.map.bias.tolist()
    for row in range(2):
        assert_close(logits[row], [eq.readout.deep_output(x, u=u, c=c, w=w, b=b) for x in features[row].tolist()])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cross_entropy", {}),
        ("cross_entropy", {"label_smoothing": 0.3}),
        ("coverage", {}),
        ("guided_attention", {"width": 0.3}),
        ("supervised_attention", {}),
    ],
)
def test_loss(name: str, options: dict[str, float]) -> None:
    target_length = torch.tensor([3, 1, 0, 2])
    target_mask = torch.arange(STEPS) < target_length[:, None]
    logits, weights = randn(4, STEPS, 5), randn(4, 2, STEPS, SOURCE).softmax(-1)
    weights = weights.masked_fill(~mask()[:, None, None], 0)
    target = torch.tensor([[4, 0, 2], [1, 1, 1], [0, 0, 0], [3, 2, 1]])
    places = torch.tensor([[1, -1, 0], [0, 0, 0], [0, 0, 0], [0, 0, -1]])
    batch = Batch(torch.zeros(4, SOURCE).long(), mask(), target, target_mask, places)
    total, count = build("loss", name, **options)(logits, weights, batch)
    wanted = 0.0
    for row, (steps, length) in enumerate(zip(target_length.tolist(), LENGTHS, strict=True)):
        if name == "cross_entropy":
            smoothing = options.get("label_smoothing", 0.0)
            wanted += eq.loss.cross_entropy(
                logits[row, :steps].tolist(), target[row, :steps].tolist(), smoothing=smoothing
            )
        elif steps:
            for head in weights[row, :, :steps, :length].tolist():
                gold = {"positions": places[row, :steps].tolist()} if name == "supervised_attention" else options
                wanted += getattr(eq.loss, name)(head, **gold) / 2
    assert_close(total, wanted)
    assert int(count) == 6
