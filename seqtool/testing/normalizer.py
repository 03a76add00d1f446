"""The contract of a normalizer."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from seqtool.parts.normalizer import Normalizer
from seqtool.parts.tree import Tree
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, named_leaves, nonfinite_row, structure
from seqtool.testing.gradients import GradientContract
from seqtool.testing.module_contract import BATCH, STEPS

QUERY, MEMORY = 11, 13


class NormalizerContract(GradientContract):
    """`build(query_size)` returns the normalizer. Scores and weights are masked as in `Attention`."""

    kind = "normalizer"
    all_sizes = ((QUERY,),)
    source_axes: ClassVar[dict[str, int]] = {"scores": -1, "memory": 1, "mask": 1}
    step_axes: ClassVar[dict[str, int]] = {"scores": -2, "query": 1}
    extreme = 1e30

    def inputs(self, part: Normalizer, batch_size: int, source_length: int, steps: int) -> Outputs:
        """See `ModuleContract.inputs`."""
        energies = (part.num_energies,) if part.num_energies > 1 else ()
        return {
            "scores": self.randn(batch_size, *energies, steps, source_length),
            "query": self.randn(batch_size, steps, *self.sizes),
            "memory": self.randn(batch_size, source_length, MEMORY),
            "mask": self.mask(batch_size, source_length),
        }

    def run(self, part: Normalizer, inputs: Outputs) -> Outputs:
        """All steps in one call if the normalizer is parallel, otherwise one call per step."""
        return self._run(part, inputs, len(inputs["query"][0]) if part.parallel else 1)

    def run_singly(self, part: Normalizer, inputs: Outputs) -> Outputs:
        """One call per step."""
        return self._run(part, inputs, 1)

    def _run(self, part: Normalizer, inputs: Outputs, stride: int) -> Outputs:
        weights, state = self._raw(part, inputs, stride)
        mask = inputs["mask"]
        fits = weights.dim() == 3 and weights.shape[::2] == mask.shape
        shown = weights.masked_fill(~mask[:, None], 0) if fits else weights
        return {"weights": shown, **named_leaves(state, "state")}

    @staticmethod
    def _raw(part: Normalizer, inputs: Outputs, stride: int) -> tuple[Tensor, Tree]:
        mask, scores = inputs["mask"], inputs["scores"]
        state = part.start(inputs["memory"], mask)
        padding = (~mask).reshape(len(mask), *[1] * (scores.dim() - 2), -1)
        scores = scores.masked_fill(padding, torch.finfo(scores.dtype).min)
        steps = []
        for some, query in zip(scores.split(stride, -2), inputs["query"].split(stride, 1), strict=True):
            weights, state = part(some, mask, query, state)
            steps.append(weights)
        return torch.cat(steps, 1), state

    def shapes_of(
        self, part: Normalizer, batch_size: int, source_length: int, steps: int
    ) -> dict[str, tuple[int, ...]]:
        """See `ModuleContract.shapes_of`; the state keeps its shape."""
        inputs = self.draw(part, source_length=source_length, steps=steps)
        state = part.start(inputs["memory"], inputs["mask"])
        states = {name: tuple(leaf.shape) for name, leaf in named_leaves(state, "state").items()}
        return {"weights": (batch_size, steps, source_length), **states}

    @rule
    def batched_trees(self) -> None:
        """The state is a tree of tensors `[B, ...]`, and `forward` keeps its structure."""
        part = self.part()
        inputs = self.draw(part)
        state = part.start(inputs["memory"], inputs["mask"])
        _, after = self._raw(part, inputs, 1)
        for path, x in (*named_leaves(state, "state").items(), *named_leaves(after, "state").items()):
            self.expect(x.shape[:1] == (BATCH,), f"{path} has the shape {list(x.shape)}, not [B, ...]")
        same = structure(state) == structure(after)
        self.expect(same, f"a step turns the state {structure(state)} into {structure(after)}")

    @rule
    def valid_weights(self) -> None:
        """Weights are finite and not negative, and sum to one over the source if `normalized`."""
        part = self.part()
        inputs = self.draw(part)
        raw, _ = self._raw(part, inputs, STEPS if part.parallel else 1)
        row = nonfinite_row(raw)
        self.expect(row is None, f"row {row}'s weights are not finite before they are masked")
        weights = self.run(part, inputs)["weights"]
        self.expect(not (weights < 0).any(), "some weights are negative")
        if not part.normalized:
            return
        sums = weights.sum(-1)
        wanted = inputs["mask"].any(1, keepdim=True).to(sums.dtype).expand_as(sums)
        wrong = (~torch.isclose(sums, wanted, atol=1e-8)).nonzero()
        if len(wrong):
            row, step = wrong[0].tolist()
            self.fail(
                f"row {row}'s weights sum to {sums[row, step]:.6g} over the source at step {step}, "
                f"not to {wanted[row, step]:g}, and it declares normalized = True"
            )

    @rule
    def reads_as_declared(self) -> None:
        """Weights or state depend on the query if and only if `reads_query`."""
        part = self.part()
        found = self.with_gradients(part, self.draw(part), self.run)
        reads = bool(found["gradients of query"].any())
        what = "depend" if reads else "do not depend"
        self.expect(reads == part.reads_query, f"weights {what} on the query, and reads_query is {part.reads_query}")

    @rule
    def parallel_steps(self) -> None:
        """If `parallel`, a call of T steps equals T calls of one step: weights, state and gradients."""
        part = self.part()
        if not part.parallel:
            return
        inputs = self.draw(part)
        self.expect_equal(
            self.with_gradients(part, inputs, self.run),
            self.with_gradients(part, inputs, self.run_singly),
            lambda name, row, values: (
                f"row {row}'s {name} differ between one call of {STEPS} steps and single steps: {values}"
            ),
        )


def check_normalizer(build: Callable[..., Normalizer], *, name: str = "", sizes: tuple[int] | None = None) -> None:
    """Check a normalizer against its contract. `build(query_size)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    NormalizerContract(build, name=name, sizes=sizes).check()
