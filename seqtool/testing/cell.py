"""The contract of a cell."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from seqtool.parts import tree
from seqtool.parts.cell import Cell
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, common_part, named_leaves, structure
from seqtool.testing.gradients import GradientContract
from seqtool.testing.module_contract import BATCH, SOURCE, STEPS, Run

INPUT = 11


class CellContract(GradientContract):
    """`build(input_size)` returns the cell."""

    kind = "cell"
    all_sizes = ((INPUT,),)
    source_axes: ClassVar[dict[str, int]] = {"x": 1, "mask": 1}
    hostile_padding = True

    def inputs(self, part: Cell, batch_size: int, source_length: int, steps: int) -> Outputs:
        """See `ModuleContract.inputs`."""
        x = self.randn(batch_size, source_length, *self.sizes)
        return {"x": x, "mask": self.mask(batch_size, source_length)}

    def run(self, part: Cell, inputs: Outputs) -> Outputs:
        """`unroll` from the start."""
        return unrolled(part, inputs, part.unroll)

    def runs(self) -> list[Run]:
        """`unroll`, and a loop of `step`."""
        return [self.run, lambda cell, given: unrolled(cell, given, _loop(cell))]

    def shapes_of(self, part: Cell, batch_size: int, source_length: int, steps: int) -> dict[str, tuple[int, ...]]:
        """See `ModuleContract.shapes_of`."""
        _, state = part.start(batch_size, torch.zeros(1, dtype=torch.float64))
        states = {name: tuple(leaf.shape) for name, leaf in named_leaves(state, "state").items()}
        outputs: dict[str, tuple[int, ...]] = {"outputs": (batch_size, source_length, part.output_size)}
        return outputs if self._grows(part) else outputs | states

    def _grows(self, part: Cell) -> bool:
        """Whether a leaf of the state changes its shape from step to step."""
        x = self.draw(part)["x"][:, 0]
        fixed, state = part.start(BATCH, x)
        _, after = part.step(x, fixed, state)
        return any(x.shape != y.shape for x, y in zip(tree.leaves(state), tree.leaves(after), strict=True))

    @rule
    def batched_trees(self) -> None:
        """`fixed` and `state` are trees of separate tensors `[B, ...]`; `step` keeps the structure of the state."""
        part = self.part()
        x = self.draw(part)["x"][:, 0]
        fixed, state = part.start(BATCH, x)
        _, after = part.step(x, fixed, state)
        for name, leaf in {
            **named_leaves(fixed, "fixed"),
            **named_leaves(state, "state"),
            **named_leaves(after, "state"),
        }.items():
            self.expect(leaf.shape[:1] == (BATCH,), f"{name} has the shape {list(leaf.shape)}, which is not [B, ...]")
            right = not leaf.is_floating_point() or leaf.dtype == torch.float64
            self.expect(right, f"{name} is {leaf.dtype} where `like` is float64")
        found = tree.leaves(state)
        self.expect(
            len({id(leaf) for leaf in found}) == len(found), "two leaves of the first state are the same tensor"
        )
        same = structure(state) == structure(after)
        self.expect(same, f"a step turns the state {structure(state)} into {structure(after)}")

    @rule
    def last_output_in_state(self) -> None:
        """`output(state)` is the last output, and a leaf of the state."""
        part = self.part()
        x = self.draw(part)["x"][:, 0]
        fixed, state = part.start(BATCH, x)
        output, state = part.step(x, fixed, state)
        found = part.output(state)
        self.expect(any(found is leaf for leaf in tree.leaves(state)), "output(state) is not a leaf of the state")
        same = output.shape == found.shape and torch.allclose(output, found)
        self.expect(same, "output(state) is not the last output")

    @rule
    def features_of_the_state(self) -> None:
        """`features(state)` is a tree of floating-point leaves of the state, the same ones after every step."""
        part = self.part()
        x = self.draw(part)["x"][:, 0]
        fixed, state = part.start(BATCH, x)
        _, after = part.step(x, fixed, state)
        places = []
        for one in (state, after):
            place = {id(leaf): at for at, leaf in enumerate(tree.leaves(one))}
            features = tree.leaves(part.features(one))
            self.expect(
                all(id(leaf) in place for leaf in features),
                "features(state) returns tensors that are not leaves of the state",
            )
            self.expect(all(leaf.is_floating_point() for leaf in features), "features(state) contains a counter")
            places.append([place[id(leaf)] for leaf in features])
        self.expect(places[0] == places[1], "features(state) returns other leaves after a step")

    @rule
    def gates_as_declared(self) -> None:
        """`gates` returns tensors `[B, ...]` within [0, 1]."""
        part = self.part()
        x = self.draw(part)["x"][:, 0]
        fixed, start = part.start(BATCH, x)
        _, state = part.step(x, fixed, start)
        for name, gate in part.gates(x, fixed, state).items():
            self.expect(gate.shape[:1] == (BATCH,), f"the gate {name} is {list(gate.shape)}, which is not [B, ...]")
            self.expect(gate.dtype == x.dtype, f"the gate {name} is {gate.dtype} where x is {x.dtype}")
            inside = bool(((gate >= 0) & (gate <= 1)).all())
            self.expect(inside, f"the gate {name} leaves [0, 1]: {gate.min():.3g} to {gate.max():.3g}")

    @rule
    def step_masked_by_ones(self) -> None:
        """`step_masked` with a mask of ones equals `step`."""
        part = self.part()
        x = self.draw(part)["x"][:, 0]
        fixed, start = part.start(BATCH, x)
        _, state = part.step(x, fixed, start)
        output, after = part.step(x, fixed, state)
        masked, also_after = part.step_masked(x, x.new_ones(BATCH, part.output_size), fixed, state)
        self.expect_equal(
            {"output": output, **named_leaves(after, "state")},
            {"output": masked, **named_leaves(also_after, "state")},
            lambda name, row, values: f"row {row}'s {name} differ between step and step_masked with ones: {values}",
        )

    @rule
    def unroll_is_steps(self) -> None:
        """`unroll` equals a loop of `step` in outputs, states and gradients, with any padding."""
        part = self.part()
        inputs = self.draw(part)
        loop = self.with_gradients(part, inputs, lambda cell, given: unrolled(cell, given, _loop(cell)))
        self.expect_equal(
            self.with_gradients(part, inputs, self.run),
            loop,
            lambda name, row, values: (
                f"row {row}'s {name} differ between unroll and a loop of step "
                f"({int(inputs['mask'][row].sum()) if row < BATCH else 'any'} real positions): {values}"
            ),
            tolerance=1e-6,
        )

    @rule
    def unroll_continues(self) -> None:
        """`unroll` starts from the given state: two parts of a sequence give the same as the whole."""
        part = self.part()
        inputs = self.draw(part)
        x, mask = inputs["x"], inputs["mask"]
        fixed, state = part.start(BATCH, x)
        first, state = part.unroll(x[:, :STEPS], mask[:, :STEPS], fixed, state)
        second, state = part.unroll(x[:, STEPS:], mask[:, STEPS:], fixed, state)
        halves = {"outputs": torch.cat([first, second], 1), **named_leaves(state, "state")}
        self.expect_equal(
            self.run(part, inputs),
            halves,
            lambda name, row, values: (
                f"row {row}'s {name} differ when {SOURCE} positions are unrolled in two parts, after {STEPS}: {values}"
            ),
        )

    @rule
    def zero_at_padding(self) -> None:
        """The output at padding is exactly zero."""
        part = self.part()
        inputs = self.draw(part)
        self.expect(not self.run(part, inputs)["outputs"][~inputs["mask"]].any(), "outputs at padding are not zero")

    @rule
    def no_real_steps(self) -> None:
        """`unroll` over no positions, or over padding only, does not change the state."""
        part = self.part()
        x, mask = self.draw(part)["x"], torch.zeros(BATCH, SOURCE, dtype=torch.bool)
        fixed, start = part.start(BATCH, x)
        _, state = part.step(x[:, 0], fixed, start)
        for length in (0, SOURCE):
            outputs, after = part.unroll(x[:, :length], mask[:, :length], fixed, state)
            shape = (BATCH, length, part.output_size)
            self.expect(outputs.shape == shape, f"{length} positions give outputs {list(outputs.shape)}")
            moved = named_leaves(after, "state")
            pairs = {name: common_part(leaf, moved[name]) for name, leaf in named_leaves(state, "state").items()}
            self.expect_equal(
                {name: pair[0] for name, pair in pairs.items()},
                {name: pair[1] for name, pair in pairs.items()},
                lambda name, row, values, length=length: (  # type: ignore[misc]
                    f"row {row}'s {name} changes over {length} positions of padding: {values}"
                ),
            )


def unrolled(part: Cell, inputs: Outputs, unroll: Callable[..., Any]) -> Outputs:
    """The outputs and the final state of `unroll` from the first state."""
    fixed, state = part.start(len(inputs["x"]), inputs["x"])
    outputs, state = unroll(inputs["x"], inputs["mask"], fixed, state)
    return {"outputs": outputs, **named_leaves(state, "state")}


def _loop(part: Cell) -> Callable[..., Any]:
    """The inherited `unroll`, a loop of `step`."""
    return lambda x, mask, fixed, state: Cell.unroll(part, x, mask, fixed, state)


def check_cell(build: Callable[..., Cell], *, name: str = "", sizes: tuple[int] | None = None) -> None:
    """Check a cell against its contract. `build(input_size)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    CellContract(build, name=name, sizes=sizes).check()
