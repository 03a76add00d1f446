"""The contract of a scorer."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from seqtool.parts import tree
from seqtool.parts.scorer import Scorer
from seqtool.parts.tree import Tree
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, named_leaves, structure
from seqtool.testing.gradients import GradientContract
from seqtool.testing.module_contract import BATCH, STEPS

QUERY, MEMORY = 11, 13


class ScorerContract(GradientContract):
    """`build(query_size, memory_size)` returns the scorer; it may refuse unequal sizes with a `PartError`."""

    kind = "scorer"
    all_sizes = ((QUERY, MEMORY), (QUERY, QUERY))
    source_axes: ClassVar[dict[str, int]] = {"memory": 1, "mask": 1}
    step_axes: ClassVar[dict[str, int]] = {"query": 1}

    def inputs(self, part: Scorer, batch_size: int, source_length: int, steps: int) -> Outputs:
        """See `ModuleContract.inputs`."""
        query_size, memory_size = self.sizes
        return {
            "query": self.randn(batch_size, steps, query_size),
            "memory": self.randn(batch_size, source_length, memory_size),
            "mask": self.mask(batch_size, source_length),
        }

    def run(self, part: Scorer, inputs: Outputs) -> Outputs:
        """All queries in one call if the scorer is parallel, otherwise one call and one `observe` per query."""
        if not part.parallel:
            return self.run_singly(part, inputs)
        fixed, state = part.start(inputs["memory"], inputs["mask"])
        scores, state = part.score(inputs["query"], fixed, state)
        return self._outputs(scores, inputs["mask"], state)

    def run_singly(self, part: Scorer, inputs: Outputs) -> Outputs:
        """One call per query; `observe` gets the softmax of the scores."""
        mask = inputs["mask"]
        fixed, state = part.start(inputs["memory"], mask)
        steps = []
        for query in inputs["query"].split(1, 1):
            scores, state = part.score(query, fixed, state)
            steps.append(scores)
            state = part.observe(self._weights(scores, mask), state)
        return self._outputs(torch.cat(steps, 1), mask, state)

    @staticmethod
    def _weights(scores: Tensor, mask: Tensor) -> Tensor:
        lowest = torch.finfo(scores.dtype).min
        return scores[:, 0].masked_fill(~mask, lowest).softmax(-1).masked_fill(~mask, 0)

    @staticmethod
    def _outputs(scores: Tensor, mask: Tensor, state: Tree) -> Outputs:
        fits = scores.shape[::2] == mask.shape
        shown = scores.masked_fill(~mask[:, None], 0) if fits else scores
        return {"scores": shown, **named_leaves(state, "state")}

    def shapes_of(self, part: Scorer, batch_size: int, source_length: int, steps: int) -> dict[str, tuple[int, ...]]:
        """See `ModuleContract.shapes_of`; the state keeps its shape."""
        inputs = self.draw(part, source_length=source_length, steps=steps)
        _, state = part.start(inputs["memory"], inputs["mask"])
        states = {name: tuple(leaf.shape) for name, leaf in named_leaves(state, "state").items()}
        return {"scores": (batch_size, steps, source_length), **states}

    @rule
    def batched_trees(self) -> None:
        """`fixed` and `state` are trees of tensors `[B, ...]`, and `score` keeps the structure of the state."""
        part = self.part()
        inputs = self.draw(part)
        fixed, state = part.start(inputs["memory"], inputs["mask"])
        _, after = part.score(inputs["query"][:, :1], fixed, state)
        for name, tensors in (("fixed", fixed), ("state", state), ("state", after)):
            for path, x in named_leaves(tensors, name).items():
                self.expect(x.shape[:1] == (BATCH,), f"{path} has the shape {list(x.shape)}, not [B, ...]")
        same = structure(state) == structure(after)
        self.expect(same, f"a step turns the state {structure(state)} into {structure(after)}")

    @rule
    def finite_at_padding(self) -> None:
        """Scores at padding are finite: `Attention` masks, not the scorer."""
        part = self.part()
        inputs = self.draw(part)
        fixed, state = part.start(inputs["memory"], inputs["mask"])
        scores, _ = part.score(inputs["query"][:, :1], fixed, state)
        self.expect(bool(scores.isfinite().all()), "scores at padding are not finite; leave masking to Attention")

    @rule
    def parallel_steps(self) -> None:
        """If `parallel`, a call of T queries equals T calls of one query: scores, state and gradients."""
        part = self.part()
        if not part.parallel:
            return
        inputs = self.draw(part)
        self.expect_equal(
            self.with_gradients(part, inputs, self.run),
            self.with_gradients(part, inputs, self.run_singly),
            lambda name, row, values: (
                f"row {row}'s {name} differ between one call of {STEPS} queries and single queries: {values}"
            ),
        )

    @rule
    def reads_as_declared(self) -> None:
        """Scores depend on the memory if and only if `reads_memory`, and on the query if and only if `reads_query`."""
        part = self.part()
        found = self.with_gradients(part, self.draw(part), self.run)
        for name in ("memory", "query"):
            depends, declared = bool(found[f"gradients of {name}"].any()), getattr(part, f"reads_{name}")
            what = "depend" if depends else "do not depend"
            self.expect(depends == declared, f"scores {what} on the {name}, and reads_{name} is {declared}")

    @rule
    def observes_in_order(self) -> None:
        """A scorer whose `observe` changes the state is not `parallel`."""
        part = self.part()
        inputs = self.draw(part)
        fixed, state = part.start(inputs["memory"], inputs["mask"])
        scores, state = part.score(inputs["query"][:, :1], fixed, state)
        after = part.observe(self._weights(scores, inputs["mask"]), state)
        same = structure(state) == structure(after)
        self.expect(same, f"observe turns the state {structure(state)} into {structure(after)}")
        moved = any(not torch.equal(x, y) for x, y in zip(tree.leaves(state), tree.leaves(after), strict=True))
        self.expect(not (part.parallel and moved), "observe changes the state, but parallel is True")


def check_scorer(build: Callable[..., Scorer], *, name: str = "", sizes: tuple[int, int] | None = None) -> None:
    """Check a scorer against its contract. `build(query_size, memory_size)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    ScorerContract(build, name=name, sizes=sizes).check()
