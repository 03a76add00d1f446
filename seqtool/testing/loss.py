"""The contract of a loss."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck
from torch.nn.functional import pad

from seqtool.errors import SeqtoolError
from seqtool.parts.batch import Batch
from seqtool.parts.loss import Loss
from seqtool.testing.batches import example_batch, fill, join, with_longer_target
from seqtool.testing.contract import ModalityContract, rule
from seqtool.testing.differences import Outputs, difference

OUTPUT, HEADS = 11, 2


class LossContract(ModalityContract):
    """`build()` returns the loss."""

    kind = "loss"

    def given(self, batch_size: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Batch]:
        """Logits, weights, and a batch whose second row has no real target position."""
        batch = example_batch(self.generator, batch_size, OUTPUT, self.modality)
        shape = (batch_size, batch.target.shape[1])
        scores = self.randn(batch_size, HEADS, shape[1], batch.source.shape[1])
        weights = scores.masked_fill(~batch.source_mask[:, None, None], -1e9).softmax(-1)
        return self.randn(*shape, OUTPUT).to(dtype), weights.to(dtype), batch

    def exercise(self, part: Any) -> Outputs:
        """See `Contract.exercise`."""
        self.generator.manual_seed(1)
        total, count = part(*self.given())
        return {"sum": total, "count": count}

    @rule
    def two_scalars(self) -> None:
        """It returns a sum and a count: finite scalars, the sum in the dtype of the logits."""
        part = self.part()
        for dtype in (torch.float32, torch.float64):
            total, count = part(*self.given(dtype=dtype))
            for name, value in (("sum", total), ("count", count)):
                self.expect(value.dim() == 0, f"the {name} has the shape {list(value.shape)}, not []")
                self.expect(bool(value.isfinite()), f"the {name} is {value.item()}")
            self.expect(total.dtype == dtype, f"the sum is {total.dtype} where logits are {dtype}")

    @rule
    def additive_sums(self) -> None:
        """Sums and counts of two batches add up to those of the joined batch: a sum, not a mean."""
        part = self.part()
        first, second = self.given(5), self.given(3)
        joined = part(*(torch.cat(pair) for pair in zip(first[:2], second[:2], strict=True)), join(first[2], second[2]))
        for name, one, other, both in zip(("sum", "count"), part(*first), part(*second), joined, strict=True):
            found = difference(one + other, both)
            self.expect(
                found is None, f"the {name} of two batches joined is {both:.6g}, but {one:.6g} + {other:.6g} = "
                f"{one + other:.6g}: it must add up over batches of any size"
            )  # fmt: skip

    @rule
    def ignores_padding(self) -> None:
        """Padding of the target, of any length and content, changes neither sum nor count, and gets no gradient."""
        part = self.part()
        logits, weights, batch = self.given()
        padding = ~batch.target_mask
        before = part(logits, weights, batch)
        logits = logits.masked_fill(padding[:, :, None], 1e3).requires_grad_()
        weights = weights.masked_fill(padding[:, None, :, None], 0.3).requires_grad_()
        target = fill(batch.target, padding, 1)
        other = Batch(batch.source, batch.source_mask, target, batch.target_mask, batch.alignment)
        after = part(logits, weights, other)
        for name, one, two in zip(("sum", "count"), before, after, strict=True):
            found = difference(one, two)
            self.expect(found is None, f"the {name} changes with numbers at padding: {found}")
        longer = part(pad(logits, (0, 0, 0, 2)), pad(weights, (0, 0, 0, 2)), with_longer_target(other, 2))
        for name, one, two in zip(("sum", "count"), before, longer, strict=True):
            found = difference(one, two)
            self.expect(found is None, f"the {name} changes with more padding of the target: {found}")
        grads = torch.autograd.grad(after[0], (logits, weights), allow_unused=True)
        by_position = {"logits": grads[0], "weights": None if grads[1] is None else grads[1].movedim(1, 3)}
        found_any = False
        for name, gradient in by_position.items():
            if gradient is not None:
                self.expect(not gradient[padding].any(), f"{name} at padding get a gradient")
                found_any |= bool(gradient[batch.target_mask].any())
        self.expect(found_any, "neither logits nor weights get a gradient")

    @rule
    def no_real_token(self) -> None:
        """A batch of only padding gives a sum of zero and a count of zero."""
        part = self.part()
        logits, weights, batch = self.given()
        empty = torch.zeros_like(batch.target_mask)
        total, count = part(
            logits, weights, Batch(batch.source, batch.source_mask, batch.target, empty, batch.alignment)
        )
        self.expect(float(total) == 0 == float(count), f"only padding gives the sum {total} and the count {count}")

    @rule
    def extreme_logits(self) -> None:
        """Huge logits give a finite sum and finite gradients, in float32."""
        part = self.part(torch.float32)
        logits, weights, batch = self.given(dtype=torch.float32)
        logits = (logits * 1e4).requires_grad_()
        weights = weights.requires_grad_()
        total, _ = part(logits, weights, batch)
        grads = torch.autograd.grad(total, (logits, weights), allow_unused=True)
        finite = bool(total.isfinite()) and all(bool(x.isfinite().all()) for x in grads if x is not None)
        self.expect(finite, "the sum or its gradient is not finite when logits are 10000 times as large")

    @rule
    def gradients(self) -> None:
        """Its gradient is the derivative: `torch.autograd.gradcheck` in float64."""
        part = self.part()
        logits, weights, batch = self.given()

        def total(logits: Tensor, weights: Tensor) -> Tensor:
            found: Tensor = part(logits, weights, batch)[0]
            return found

        try:
            gradcheck(total, (logits.requires_grad_(), weights.requires_grad_()), atol=1e-6, rtol=1e-4, fast_mode=True)
        except GradcheckError as error:
            self.fail(f"the gradient is not the derivative\n{' '.join(str(error).split())}")

    @rule
    def without_weights(self) -> None:
        """Without weights it returns a finite sum, or it requires "weights" and raises a `SeqtoolError`."""
        part = self.part()
        logits, _, batch = self.given()
        requires = "weights" in part.requires
        try:
            total, _ = part(logits, None, batch)
        except SeqtoolError:
            self.expect(requires, 'it refuses calls without weights, but does not require "weights"')
            return
        self.expect(not requires, 'it requires "weights", but accepts calls without them')
        self.expect(bool(total.isfinite()), f"the sum is {total.item()} without weights")


def check_loss(build: Callable[..., Loss], *, name: str = "") -> None:
    """Check a loss against its contract. `build()` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    LossContract(build, name=name).check()
