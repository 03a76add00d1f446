"""The contract of attention: any scorer with any normalizer."""

from collections.abc import Callable
from typing import ClassVar

import torch

from seqtool.nn.attention import Attention
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, named_leaves
from seqtool.testing.gradients import GradientContract
from seqtool.testing.module_contract import BATCH, STEPS

QUERY, MEMORY = 11, 13


class AttentionContract(GradientContract):
    """`build(query_size, memory_size)` returns the attention."""

    kind = "attention"
    all_sizes = ((QUERY, MEMORY), (QUERY, QUERY), (4, 6), (4, 4))
    source_axes: ClassVar[dict[str, int]] = {"memory": 1, "mask": 1}
    step_axes: ClassVar[dict[str, int]] = {"query": 1}

    def inputs(self, part: Attention, batch_size: int, source_length: int, steps: int) -> Outputs:
        """See `ModuleContract.inputs`."""
        query_size, memory_size = self.sizes
        return {
            "query": self.randn(batch_size, steps, query_size),
            "memory": self.randn(batch_size, source_length, memory_size),
            "mask": self.mask(batch_size, source_length),
        }

    def run(self, part: Attention, inputs: Outputs) -> Outputs:
        """All queries in one call."""
        return self._run(part, inputs, len(inputs["query"][0]))

    def run_singly(self, part: Attention, inputs: Outputs) -> Outputs:
        """One query at a time."""
        return self._run(part, inputs, 1)

    @staticmethod
    def _run(part: Attention, inputs: Outputs, stride: int) -> Outputs:
        fixed, state = part.start(inputs["memory"], inputs["mask"])
        contexts, all_weights = [], []
        for query in inputs["query"].split(stride, 1):
            context, weights, state = part(query, fixed, state)
            contexts.append(context)
            all_weights.append(weights)
        outputs = {"context": torch.cat(contexts, 1), "weights": torch.cat(all_weights, 2)}
        return outputs | named_leaves(state, "state")

    def shapes_of(self, part: Attention, batch_size: int, source_length: int, steps: int) -> dict[str, tuple[int, ...]]:
        """See `ModuleContract.shapes_of`; a state keeps the shape that it starts with."""
        inputs = self.draw(part, source_length=source_length, steps=steps)
        _, state = part.start(inputs["memory"], inputs["mask"])
        return {
            "context": (batch_size, steps, self.sizes[1]),
            "weights": (batch_size, part.num_heads, steps, source_length),
            **{name: tuple(leaf.shape) for name, leaf in named_leaves(state, "state").items()},
        }

    @rule
    def batched_trees(self) -> None:
        """`fixed` and `state` are trees of tensors `[B, ...]`; with heads, `[B, N, ...]`."""
        part = self.part()
        inputs = self.draw(part)
        for name, tensors in zip(("fixed", "state"), part.start(inputs["memory"], inputs["mask"]), strict=True):
            for path, x in named_leaves(tensors, name).items():
                self.expect(x.shape[:1] == (BATCH,), f"{path} has the shape {list(x.shape)}, not [B, ...]")

    @rule
    def zero_at_padding(self) -> None:
        """Weights at padding are exactly zero."""
        part = self.part()
        inputs = self.draw(part)
        weights = self.run(part, inputs)["weights"].movedim(3, 1)
        self.expect(not weights[~inputs["mask"]].any(), "weights at padding are not zero")

    @rule
    def parallel_steps(self) -> None:
        """T queries in one call equal T calls of one query: context, weights, state and gradients."""
        part = self.part()
        inputs = self.draw(part)
        self.expect_equal(
            self.with_gradients(part, inputs, self.run),
            self.with_gradients(part, inputs, self.run_singly),
            lambda name, row, values: (
                f"row {row}'s {name} differ between one call of {STEPS} queries and single queries: {values}"
            ),
        )


def check_attention(build: Callable[..., Attention], *, name: str = "", sizes: tuple[int, int] | None = None) -> None:
    """Check an attention against its contract. `build(query_size, memory_size)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    AttentionContract(build, name=name, sizes=sizes).check()
