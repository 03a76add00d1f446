"""The contract of a metric."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from seqtool.parts.batch import Batch
from seqtool.parts.metric import Metric
from seqtool.testing.batches import example_batch, fill, join, with_longer_target
from seqtool.testing.contract import ModalityContract, rule
from seqtool.testing.differences import Outputs

SYMBOLS, HEADS = 3, 2


class MetricContract(ModalityContract):
    """`build()` returns the metric. If it requires "weights", `weight_sums` is called, otherwise `sums`."""

    kind = "metric"

    def given(self, batch_size: int = 7) -> tuple[Tensor, Tensor, Batch]:
        """Predictions, some correct, some missing (-1 or NaN); weights; and their batch."""
        batch = example_batch(self.generator, batch_size, SYMBOLS, self.modality)
        scores = self.randn(batch_size, HEADS, batch.target.shape[1], batch.source.shape[1])
        weights = scores.masked_fill(~batch.source_mask[:, None, None], -torch.inf).softmax(3)
        if self.modality == "continuous":
            values = batch.target + 0.05 * torch.randn(batch.target.shape, generator=self.generator)
            values[0], values[3, 1] = batch.target[0], torch.nan
            return values, weights, batch
        predicted = torch.randint(-1, SYMBOLS, batch.target.shape, generator=self.generator)
        predicted[0] = batch.target[0]
        return predicted, weights, batch

    def sums(self, part: Any, predicted: Tensor, weights: Tensor, batch: Batch) -> Tensor:
        """The sums of the metric over the batch, `[2]`."""
        if "weights" not in part.requires:
            found: Tensor = part.sums(predicted, batch)
            return found
        rows: Tensor = part.weight_sums(weights, batch.source_mask, batch)
        wanted = (len(batch), 2)
        self.expect(tuple(rows.shape) == wanted, f"weight sums have the shape {list(rows.shape)}, not {list(wanted)}")
        return rows.sum(0)

    def exercise(self, part: Any) -> Outputs:
        """See `Contract.exercise`."""
        self.generator.manual_seed(1)
        return {"sums": self.sums(part, *self.given())}

    @rule
    def two_sums(self) -> None:
        """`sums` is `[2]`, `weight_sums` `[B, 2]`, finite float64; `compute` returns a float, for zero sums too."""
        part = self.part()
        sums = self.sums(part, *self.given())
        self.expect(tuple(sums.shape) == (2,), f"sums have the shape {list(sums.shape)}, not [2]")
        self.expect(sums.dtype == torch.float64, f"sums are {sums.dtype}, not float64")
        self.expect(bool(sums.isfinite().all()), f"sums are {sums.tolist()}")
        value = part.compute(sums)
        self.expect(isinstance(value, float) and math.isfinite(value), f"compute returns {value!r}, not a finite float")
        nothing = part.compute(torch.zeros(2, dtype=torch.float64))
        self.expect(isinstance(nothing, float), f"compute returns {nothing!r} for zero sums, not a float")

    @rule
    def known_predictions(self) -> None:
        """`predictions` is "teacher_forced" or, if it does not require "weights", "decoded"."""
        part = self.part()
        found = part.predictions
        allowed = ("teacher_forced",) if "weights" in part.requires else ("teacher_forced", "decoded")
        self.expect(found in allowed, f"predictions is {found!r}, not one of {allowed}")

    @rule
    def additive_sums(self) -> None:
        """The sums of two batches add up to those of the joined batch."""
        part = self.part()
        first, second = self.given(7), self.given(5)
        apart = self.sums(part, *first) + self.sums(part, *second)
        predicted, weights = (torch.cat(pair) for pair in zip(first[:2], second[:2], strict=True))
        joined = self.sums(part, predicted, weights, join(first[2], second[2]))
        self.expect(
            bool(torch.isclose(apart, joined).all()),
            f"the sums of two batches add up to {apart.tolist()}, and those of the joined batch are {joined.tolist()}",
        )

    @rule
    def ignores_padding(self) -> None:
        """Padding of the target, of any length, and predictions and weights there do not change the sums."""
        part = self.part()
        predicted, weights, batch = self.given()
        before = self.sums(part, predicted, weights, batch)
        for id in (torch.nan, 0, 1) if self.modality == "continuous" else (-1, 0, 1):
            other = torch.where(batch.target_mask[:, None, :, None], weights, float(id == 1))
            after = self.sums(part, fill(predicted, ~batch.target_mask, id), other, batch)
            self.expect(
                torch.equal(before, after),
                f"sums change from {before.tolist()} to {after.tolist()} with predictions or weights at padding",
            )

        missing = torch.nan if self.modality == "continuous" else -1
        after = pad(predicted, (*(0, 0) * (predicted.dim() - 2), 0, 2), value=missing)
        found = self.sums(part, after, pad(weights, (0, 0, 0, 2)), with_longer_target(batch, 2))
        self.expect(
            torch.allclose(before, found),
            f"sums change from {before.tolist()} to {found.tolist()} with more padding of the target",
        )

    @rule
    def padded_memory(self) -> None:
        """More padding of the source, with weights of 0, does not change the sums."""
        part = self.part()
        predicted, weights, batch = self.given()
        before = self.sums(part, predicted, weights, batch)
        source, mask = (torch.cat([x, torch.zeros_like(x[:, :4])], 1) for x in (batch.source, batch.source_mask))
        wider = Batch(source, mask, batch.target, batch.target_mask, batch.alignment)
        after = self.sums(part, predicted, pad(weights, (0, 4)), wider)
        self.expect(
            bool(torch.isclose(before, after).all()),
            f"sums change from {before.tolist()} to {after.tolist()} with more padding of the source",
        )


def check_metric(build: Callable[..., Metric], *, name: str = "") -> None:
    """Check a metric against its contract. `build()` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    MetricContract(build, name=name).check()
