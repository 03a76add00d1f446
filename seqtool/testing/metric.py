"""The contract of a metric, as rules."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqtool.parts.batch import Batch
from seqtool.parts.metric import Metric
from seqtool.testing.batches import example_batch, fill, join
from seqtool.testing.compare import Outputs
from seqtool.testing.contract import FormContract, rule

SYMBOLS = 3


class MetricContract(FormContract):
    """`build()` makes the metric."""

    kind = "metric"

    def given(self, batch_size: int = 7) -> tuple[Tensor, Batch]:
        """Predictions, some right, some -1 or NaN (a search wrote nothing there), and their batch."""
        batch = example_batch(self.generator, batch_size, SYMBOLS, self.form)
        if self.form == "values":
            values = batch.target + 0.05 * torch.randn(batch.target.shape, generator=self.generator)
            values[0], values[3, 1] = batch.target[0], torch.nan
            return values, batch
        predicted = torch.randint(-1, SYMBOLS, batch.target.shape, generator=self.generator)
        predicted[0] = batch.target[0]
        return predicted, batch

    def exercise(self, part: Any) -> Outputs:
        """See `Contract.exercise`."""
        self.generator.manual_seed(1)
        return {"sums": part.sums(*self.given())}

    @rule
    def two_sums(self) -> None:
        """`sums` is `[2]` float64 and finite, and `compute` makes a number of it, also of nothing at all."""
        part = self.part()
        sums = part.sums(*self.given())
        self.expect(tuple(sums.shape) == (2,), f"sums have the shape {list(sums.shape)}, not [2]")
        self.expect(sums.dtype == torch.float64, f"sums are {sums.dtype}, not float64")
        self.expect(bool(sums.isfinite().all()), f"sums are {sums.tolist()}")
        value = part.compute(sums)
        self.expect(isinstance(value, float) and math.isfinite(value), f"compute gives {value!r}, not a number")
        nothing = part.compute(torch.zeros(2, dtype=torch.float64))
        self.expect(isinstance(nothing, float), f"compute gives {nothing!r} for no example at all, not a float")

    @rule
    def says_what_it_reads(self) -> None:
        """`predictions` is "teacher_forced" or "decoded"."""
        found = self.part().predictions
        allowed = ("teacher_forced", "decoded")
        self.expect(found in allowed, f"predictions is {found!r}, not one of {allowed}")

    @rule
    def adds_up(self) -> None:
        """The sums of two batches are those of both joined."""
        part = self.part()
        (predicted, batch), (more, other) = self.given(7), self.given(5)
        apart = part.sums(predicted, batch) + part.sums(more, other)
        joined = part.sums(torch.cat([predicted, more]), join(batch, other))
        self.expect(
            bool(torch.isclose(apart, joined).all()),
            f"two batches joined have the sums {joined.tolist()}, and apart they add up to {apart.tolist()}",
        )

    @rule
    def ignores_padding(self) -> None:
        """What is predicted at padding of the target changes nothing."""
        part = self.part()
        predicted, batch = self.given()
        before = part.sums(predicted, batch)
        for id in (torch.nan, 0, 1) if self.form == "values" else (-1, 0, 1):
            after = part.sums(fill(predicted, ~batch.target_mask, id), batch)
            self.expect(
                torch.equal(before, after),
                f"sums change from {before.tolist()} to {after.tolist()} with what is predicted at padding",
            )


def check_metric(build: Callable[..., Metric], *, name: str = "") -> None:
    """Hold a metric against its contract. `build()` makes it.

    Raises:
        ContractViolation: what is wrong, in words.
    """
    MetricContract(build, name=name).check()
