"""The contract of a readout."""

from collections.abc import Callable
from typing import ClassVar

import torch

from seqtool.parts.readout import Readout
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs
from seqtool.testing.gradients import GradientContract

FEATURE, OUTPUT = 11, 17


class ReadoutContract(GradientContract):
    """`build(feature_size, output_size)` returns the readout."""

    kind = "readout"
    all_sizes = ((FEATURE, OUTPUT),)
    step_axes: ClassVar[dict[str, int]] = {"features": 1}

    def inputs(self, part: Readout, batch_size: int, source_length: int, steps: int) -> Outputs:
        """See `ModuleContract.inputs`."""
        return {"features": self.randn(batch_size, steps, self.sizes[0])}

    def run(self, part: Readout, inputs: Outputs) -> Outputs:
        """`forward`."""
        return {"logits": part(inputs["features"])}

    def shapes_of(self, part: Readout, batch_size: int, source_length: int, steps: int) -> dict[str, tuple[int, ...]]:
        """See `ModuleContract.shapes_of`."""
        return {"logits": (batch_size, steps, self.sizes[1])}

    @rule
    def parallel_steps(self) -> None:
        """A call of T steps equals T calls of one step, as free-running decoding makes them."""
        part = self.part()
        features = self.draw(part)["features"]
        self.expect_equal(
            {"logits": part(features)},
            {"logits": torch.cat([part(step) for step in features.split(1, 1)], 1)},
            lambda name, row, values: f"row {row}'s {name} differ between one call and single steps: {values}",
        )


def check_readout(build: Callable[..., Readout], *, name: str = "", sizes: tuple[int, int] | None = None) -> None:
    """Check a readout against its contract. `build(feature_size, output_size)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    ReadoutContract(build, name=name, sizes=sizes).check()
