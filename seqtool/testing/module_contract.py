"""The rules of modules: shapes, dtypes, rows, padding and saving."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from seqtool.testing.contract import Contract, rule
from seqtool.testing.differences import Outputs, common_part, difference, differing_row, nonfinite_row
from seqtool.testing.watched import Watched

BATCH, SOURCE, STEPS = 5, 7, 3
Run = Callable[[Any, Outputs], Outputs]
Message = Callable[[str, int, str], str]
"""(name of an output, the row that differs, the two values) -> a message."""


class ModuleContract(Contract):
    """The contract of a kind of modules; a subclass defines `inputs`, `run` and `shapes_of`.

    Inputs and outputs are tensors `[B, ...]` by name. `run` zeroes meaningless outputs at padding.

    Attributes:
        source_axes: the axis of source positions in each input that has them.
        step_axes: the axis of steps in each input that has them.
        hostile_padding: whether the inputs at padding are huge numbers; otherwise they are zeros, as in a memory.
    """

    source_axes: ClassVar[dict[str, int]] = {}
    step_axes: ClassVar[dict[str, int]] = {}
    hostile_padding: ClassVar[bool] = False

    def inputs(self, part: Any, batch_size: int, source_length: int, steps: int) -> Outputs:
        """The inputs of the part, drawn in float64 from `self.generator`."""
        raise NotImplementedError

    def run(self, part: Any, inputs: Outputs) -> Outputs:
        """Use the part as a model does."""
        raise NotImplementedError

    def runs(self) -> list[Run]:
        """All ways to use the part, for example over the whole sequence and step by step."""
        return [self.run]

    def shapes_of(self, part: Any, batch_size: int, source_length: int, steps: int) -> dict[str, tuple[int, ...]]:
        """The shape of each output whose shape the contract determines."""
        raise NotImplementedError

    def draw(
        self,
        part: Any,
        *,
        source_length: int = SOURCE,
        steps: int = STEPS,
        dtype: torch.dtype = torch.float64,
    ) -> Outputs:
        """The inputs of a batch; one row consists of padding."""
        self.generator.manual_seed(1)
        inputs = self.inputs(part, BATCH, source_length, steps)
        if "mask" in inputs:
            self._fill_padding(inputs)
        return {name: x.to(dtype) if x.is_floating_point() else x for name, x in inputs.items()}

    @staticmethod
    def mask(batch_size: int, source_length: int) -> Tensor:
        """`[B, S]`; lengths S, S - 3, 0, 1, S - 1, and so on."""
        some = [source_length, max(1, source_length - 3), 0, 1, max(1, source_length - 1)]
        length = torch.tensor([some[row % len(some)] for row in range(batch_size)])
        return torch.arange(source_length) < length[:, None]

    def exercise(self, part: Any) -> Outputs:
        """See `Contract.exercise`."""
        return self.run(part, self.draw(part))

    def _fill_padding(self, inputs: Outputs) -> None:
        padding = ~inputs["mask"]
        for name, axis in self.source_axes.items():
            x = inputs[name]
            if x.is_floating_point():
                after = x.dim() - axis % x.dim() - 1
                where = padding.reshape(len(padding), *[1] * (x.dim() - after - 2), -1, *[1] * after)
                inputs[name] = x.masked_fill(where, 1e5 if self.hostile_padding else 0)

    def expect_equal(self, first: Outputs, second: Outputs, message: Message, *, tolerance: float = 1e-8) -> None:
        """Fail with `message` where two runs differ."""
        for name, value in first.items():
            found = difference(value, second[name], tolerance=tolerance)
            if found is not None:
                same_shape = value.shape == second[name].shape
                row = differing_row(value, second[name], tolerance=tolerance) if same_shape else 0
                self.fail(message(name, row or 0, found.partition(" in row")[0]))

    def expect_finite(self, outputs: Outputs, when: str) -> None:
        """Fail where an output or a gradient is NaN or infinite."""
        for name, value in outputs.items():
            row = nonfinite_row(value)
            self.expect(row is None, f"row {row}'s {name} are not finite {when}")

    @rule
    def shapes(self) -> None:
        """Every output has the shape of the contract, for sizes that are different primes, and for lengths of 1."""
        part = self.part()
        for source_length, steps in ((SOURCE, STEPS), (1, 1)):
            outputs = self.run(part, self.draw(part, source_length=source_length, steps=steps))
            for name, shape in self.shapes_of(part, BATCH, source_length, steps).items():
                self.expect(name in outputs, f"returns no {name}")
                found = tuple(outputs[name].shape)
                self.expect(found == shape, f"{name} have the shape {list(found)}, not {list(shape)}")

    @rule
    def dtypes(self) -> None:
        """float32 inputs and parameters give float32 outputs, and float64 gives float64."""
        for dtype in (torch.float32, torch.float64):
            part = self.part(dtype)
            for name, value in self.run(part, self.draw(part, dtype=dtype)).items():
                right = value.dtype == dtype or not value.is_floating_point()
                self.expect(right, f"{name} are {value.dtype} where inputs and parameters are {dtype}")

    @rule
    def meta_device(self) -> None:
        """The constructor works on the meta device, on which `seqtool check` builds models."""
        with torch.device("meta"):
            self._build()

    @rule
    def rows(self) -> None:
        """The outputs of a row do not depend on the other rows of the batch."""
        part = self.part()
        self.expect_independent_rows(part, self.draw(part))

    def expect_independent_rows(self, part: Any, inputs: Outputs, mode: str = "") -> None:
        """Fail where the outputs of a row change when it is a batch of its own."""
        together = self.run(part, inputs)
        for row in range(BATCH):
            alone = self.run(part, {name: x[row : row + 1] for name, x in inputs.items()})
            self.expect_equal(
                {name: x[row : row + 1] for name, x in together.items()},
                alone,
                lambda name, _, values, row=row: (  # type: ignore[misc]
                    f"row {row}'s {name} change when the row is a batch of its own{mode}: {values}"
                ),
            )

    @rule
    def padding(self) -> None:
        """More padding of the source changes no output, and further steps change no output of earlier steps."""
        part = self.part()
        self.expect_independent_of_padding(part, self.draw(part))

    def expect_independent_of_padding(self, part: Any, inputs: Outputs, mode: str = "") -> None:
        """Fail where an output changes with more padding of the source or with further steps."""
        before = self.run(part, inputs)
        for grown in (SOURCE + 1, SOURCE + 4) if self.source_axes else ():
            wider = _lengthened(inputs, self.source_axes, grown - SOURCE)
            self._fill_padding(wider)
            after = self.run(part, wider)
            pairs = {name: common_part(value, after[name]) for name, value in before.items()}

            def message(name: str, row: int, values: str, grown: int = grown) -> str:
                real = int(inputs["mask"][row].sum())
                growth = f"from {SOURCE - real} to {grown - real}"
                return f"row {row}'s {name} change when padding grows {growth}{mode}: {values}"

            first, second = ({name: pair[side] for name, pair in pairs.items()} for side in (0, 1))
            self.expect_equal(first, second, message)
        if self.step_axes:
            after = self.run(part, _lengthened(inputs, self.step_axes, 2))
            steps = {name: common_part(x, after[name]) for name, x in before.items() if not name.startswith("state")}
            self.expect_equal(
                {name: pair[0] for name, pair in steps.items()},
                {name: pair[1] for name, pair in steps.items()},
                lambda name, row, values: (
                    f"row {row}'s {name} at the first {STEPS} steps change when there are {STEPS + 2}{mode}: {values}"
                ),
            )

    @rule
    def saved_and_loaded(self) -> None:
        """`state_dict` contains all parameters: a part that loads it computes the same."""
        first, second = self.part(seed=0), self.part(seed=1)
        second.load_state_dict(first.state_dict())
        inputs = self.draw(first)
        self.expect_equal(
            self.run(first, inputs),
            self.run(second, inputs),
            lambda name, row, values: (
                f"row {row}'s {name} differ after its state_dict is loaded into another: {values}"
            ),
        )

    @rule
    def arguments_unchanged(self) -> None:
        """No call changes its arguments, with or without gradients, and two sequences computed in turn do not mix."""
        part = self.part()
        inputs = self.draw(part, source_length=3, steps=2)
        for run in self.runs():
            run(Watched(part, self.fail, interleave=False), inputs)
        with torch.no_grad():
            self.expect_equal(
                self.runs()[-1](part, inputs),
                self.runs()[-1](Watched(part, self.fail, interleave=True), inputs),
                lambda name, row, values: (
                    f"row {row}'s {name} change when another sequence is computed in turn: {values}; "
                    "something is kept outside fixed and state"
                ),
            )


def _lengthened(inputs: Outputs, axes: dict[str, int], added: int) -> Outputs:
    """The inputs with `added` zeros along these axes."""
    longer = dict(inputs)
    for name, axis in axes.items():
        extra = list(inputs[name].shape)
        extra[axis] = added
        longer[name] = torch.cat([inputs[name], inputs[name].new_zeros(extra)], axis)
    return longer
