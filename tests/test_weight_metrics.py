"""Metrics on attention weights, compared with plain loops and hand computations."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqtool.api import Batch
from seqtool.registry import default_registry

HEADS, TARGET, SOURCE = 2, 5, 7
LENGTHS = ((5, 7), (3, 4), (1, 1), (0, 2), (4, 6), (5, 7))
"""Target and source symbols of each example."""
Rows = list[list[list[float]]]
"""Weights of one example without its padding: heads, target symbols, source symbols."""


def example(seed: int) -> tuple[Batch, torch.Tensor]:
    """Varying lengths; weights whose sum is not 1, some rows all 0; gold positions, some missing, some equal."""
    generator = torch.Generator().manual_seed(seed)
    target, source = (torch.tensor(side) for side in zip(*LENGTHS, strict=True))
    target_mask = torch.arange(TARGET) < target[:, None]
    source_mask = torch.arange(SOURCE) < source[:, None]
    gold = (torch.rand(len(LENGTHS), TARGET, generator=generator) * (source[:, None] + 1)).long() - 1
    weights = torch.rand(len(LENGTHS), HEADS, TARGET, SOURCE, generator=generator, dtype=torch.float64) ** 4 * 2
    weights = weights * source_mask[:, None, None]
    weights[0, :, 1] = 0  # no weight
    weights[1, 0, 2] = 0  # with one head
    ids = torch.zeros(len(LENGTHS), TARGET, dtype=torch.int64)
    source_ids = torch.zeros(len(LENGTHS), SOURCE, dtype=torch.int64)
    return Batch(source_ids, source_mask, ids, target_mask, gold.masked_fill(~target_mask, -1)), weights


def cut(batch: Batch, weights: torch.Tensor) -> list[tuple[Rows, list[int]]]:
    return [(weights[row, :, :t, :s].tolist(), batch.alignment[row, :t].tolist()) for row, (t, s) in enumerate(LENGTHS)]


def largest(row: list[float]) -> int:
    return max(range(len(row)), key=lambda j: (row[j], -j))


def links(weights: Rows) -> list[int | None]:
    """The position of each target symbol's largest weight; None if all weights are 0."""
    heads, found = len(weights), []
    for i in range(len(weights[0])):
        mean = [sum(weights[n][i][j] for n in range(heads)) / heads for j in range(len(weights[0][i]))]
        found.append(largest(mean) if max(mean) > 0 else None)
    return found


def share_of(right: Callable[[int, int, list[int]], bool]) -> Callable[..., float]:
    def measured(examples: list[tuple[Rows, list[int]]]) -> float:
        found = []
        for weights, gold in examples:
            known = [g for g in gold if g >= 0]
            for place, g in zip(links(weights), gold, strict=True):
                if g >= 0:
                    found.append(place is not None and right(place, g, known))
        return sum(found) / len(found)

    return measured


def f1(examples: list[tuple[Rows, list[int]]]) -> float:
    made, wanted = set(), set()
    for e, (weights, gold) in enumerate(examples):
        for i, (place, g) in enumerate(zip(links(weights), gold, strict=True)):
            if g >= 0:
                wanted.add((e, i, g))
                if place is not None:
                    made.add((e, i, place))
    precision, recall = len(made & wanted) / len(made), len(made & wanted) / len(wanted)
    return 2 * precision * recall / (precision + recall) if made & wanted else 0.0


def shares(examples: list[tuple[Rows, list[int]]]) -> list[list[list[float]]]:
    """For each example and head: rows divided by their sums, `[]` if the sum is 0."""
    return [
        [[w / sum(row) for w in row] if sum(row) else [] for row in head] for weights, _ in examples for head in weights
    ]


def over_rows(value: Callable[[list[float]], float], least: int = 1) -> Callable[..., float]:
    def measured(examples: list[tuple[Rows, list[int]]]) -> float:
        found = [value(row) for head in shares(examples) for row in head if len(row) >= least]
        return sum(found) / len(found)

    return measured


def entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in row if p > 0)


def monotonicity(examples: list[tuple[Rows, list[int]]]) -> float:
    found = []
    for head in shares(examples):
        for i in range(1, len(head)):
            if head[i - 1] and head[i]:
                found.append(largest(head[i]) >= largest(head[i - 1]))
    return sum(found) / len(found)


def coverage(examples: list[tuple[Rows, list[int]]]) -> float:
    found = []
    for (_, source), (weights, _) in zip(LENGTHS, examples, strict=True):
        for head in shares([(weights, [])]):
            found += [min(1.0, sum(row[j] for row in head if row)) for j in range(source)]
    return sum(found) / len(found)


WANTED: dict[str, Callable[..., float]] = {
    "alignment_exact": share_of(lambda place, gold, known: place == gold),
    "alignment_near": share_of(lambda place, gold, known: abs(place - gold) <= 3),
    "alignment_nearest": share_of(lambda place, gold, known: all(abs(place - gold) <= abs(place - k) for k in known)),
    "alignment_f1": f1,
    "alignment_error_rate": lambda examples: 1 - f1(examples),
    "attention_entropy": over_rows(entropy),
    "attention_normalized_entropy": over_rows(lambda row: entropy(row) / math.log(len(row)), least=2),
    "attention_sharpness": over_rows(max),
    "attention_monotonicity": monotonicity,
    "attention_coverage": coverage,
}  # fmt: skip


def metric(name: str, **options: Any) -> Any:
    return default_registry().find("metric", name).load()(**options)


def test_every_metric_on_weights_is_covered() -> None:
    there = [part.name for part in default_registry().parts("metric") if "weights" in part.load().requires]
    assert sorted(there) == sorted(WANTED)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", WANTED)
def test_metric_equals_loops(name: str, seed: int) -> None:
    batch, weights = example(seed)
    built = metric(name)
    rows = built.weight_sums(weights, batch.source_mask, batch)
    assert built.compute(rows.sum(0)) == pytest.approx(WANTED[name](cut(batch, weights)))
    for row in range(len(LENGTHS)):  # each example separately
        one = Batch(*(getattr(batch, field)[row : row + 1] for field in Batch.__dataclass_fields__))
        alone = built.weight_sums(weights[row : row + 1], one.source_mask, one)
        torch.testing.assert_close(alone, rows[row : row + 1])


def path(*places: int, source: int = 6) -> tuple[torch.Tensor, Batch]:
    """One head with all weight on these positions; the gold positions are 0, 1, 2, ..."""
    weights = torch.nn.functional.one_hot(torch.tensor(places), source)[None, None].double()
    real = torch.ones(1, source, dtype=torch.bool), torch.ones(1, len(places), dtype=torch.bool)
    ids = torch.zeros(1, source, dtype=torch.int64), torch.zeros(1, len(places), dtype=torch.int64)
    return weights, Batch(ids[0], real[0], ids[1], real[1], torch.arange(len(places))[None])


@pytest.mark.parametrize(
    ("name", "places", "value"),
    [
        ("alignment_exact", (0, 1, 2, 3), 1.0),
        ("alignment_error_rate", (0, 1, 2, 3), 0.0),
        ("alignment_exact", (0, 0, 1, 2), 0.25),
        ("alignment_nearest", (0, 0, 1, 2), 0.25),
        ("alignment_nearest", (0, 1, 2, 5), 1.0),  # two positions late, and no other gold position is nearer
        ("alignment_near", (0, 0, 1, 2), 1.0),
        ("alignment_near", (5, 5, 5, 5), 0.5),
        ("attention_monotonicity", (3, 2, 1, 0), 0.0),
        ("attention_monotonicity", (0, 1, 1, 0), 2 / 3),
        ("attention_coverage", (0, 1, 1, 0), 2 / 6),
        ("attention_entropy", (0, 1, 1, 0), 0.0),
        ("attention_sharpness", (0, 1, 1, 0), 1.0),
    ],
)
def test_metric_by_hand(name: str, places: tuple[int, ...], value: float) -> None:
    weights, batch = path(*places)
    built = metric(name)
    assert built.compute(built.weight_sums(weights, batch.source_mask, batch).sum(0)) == pytest.approx(value)


def test_uniform_weights_have_the_largest_entropy() -> None:
    weights, batch = path(0, 1, 2)
    for name, wanted in (("attention_entropy", math.log(6)), ("attention_normalized_entropy", 1.0)):
        built = metric(name)
        sums = built.weight_sums(torch.full_like(weights, 1 / 6), batch.source_mask, batch)
        assert built.compute(sums.sum(0)) == pytest.approx(wanted)


def test_distance_of_near_is_an_option() -> None:
    weights, batch = path(0, 0, 1, 2)
    sums = metric("alignment_near", distance=0).weight_sums(weights, batch.source_mask, batch)
    assert sums.tolist() == [[1.0, 4.0]]


@pytest.mark.parametrize("name", [name for name in WANTED if name.startswith("alignment")])
def test_a_memory_of_another_length_has_no_gold_positions(name: str) -> None:
    weights, batch = path(0, 1, 2)
    built = metric(name)
    sums = built.weight_sums(weights[..., :3], batch.source_mask[:, :3], batch)
    assert math.isnan(built.compute(sums.sum(0)))
