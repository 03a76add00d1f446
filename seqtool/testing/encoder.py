"""The contract of an encoder."""

from collections.abc import Callable
from typing import ClassVar

import torch

from seqtool.parts import tree
from seqtool.parts.encoder import Encoder
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, is_prefix
from seqtool.testing.gradients import GradientContract

INPUT = 11
MANY_ROWS = 23


class EncoderContract(GradientContract):
    """`build(input_size)` returns the encoder."""

    kind = "encoder"
    all_sizes = ((INPUT,),)
    source_axes: ClassVar[dict[str, int]] = {"x": 1, "mask": 1}
    hostile_padding = True

    def inputs(self, part: Encoder, batch_size: int, source_length: int, steps: int) -> Outputs:
        """See `ModuleContract.inputs`."""
        x = self.randn(batch_size, source_length, *self.sizes)
        return {"x": x, "mask": self.mask(batch_size, source_length)}

    def run(self, part: Encoder, inputs: Outputs) -> Outputs:
        """`forward`."""
        encoded = part(inputs["x"], inputs["mask"])
        final = {f"final[{i}]": x for i, x in enumerate(tree.vectors(encoded.final))}
        return {"memory": encoded.memory, "memory mask": encoded.mask, **final}

    def shapes_of(self, part: Encoder, batch_size: int, source_length: int, steps: int) -> dict[str, tuple[int, ...]]:
        """See `ModuleContract.shapes_of`; an encoder may shorten the source."""
        encoded = part(*self.draw(part, source_length=source_length).values())
        length = encoded.mask.shape[-1]
        finals = {f"final[{i}]": (batch_size, size) for i, size in enumerate(part.final_sizes)}
        return {
            "memory": (batch_size, length, part.memory_size),
            "memory mask": (batch_size, length),
            **finals,
        }

    @rule
    def final_as_declared(self) -> None:
        """`final` has as many leaves as `final_sizes`."""
        part = self.part()
        found = len(tree.leaves(part(*self.draw(part).values()).final))
        self.expect(
            found == len(part.final_sizes), f"returns {found} final states, and final_sizes is {part.final_sizes}"
        )

    @rule
    def zero_at_padding(self) -> None:
        """The memory at padding is exactly zero; its mask is bool, and real positions come first."""
        part = self.part()
        encoded = part(*self.draw(part).values())
        self.expect(encoded.mask.dtype == torch.bool, f"the memory's mask is {encoded.mask.dtype}, not bool")
        self.expect(is_prefix(encoded.mask), "the memory's mask has a real position after padding")
        self.expect(not encoded.memory[~encoded.mask].any(), "the memory at padding is not zero")

    @rule
    def every_position_counts(self) -> None:
        """The memory depends on every real source position."""
        part = self.part()
        inputs = self.draw(part)
        x = inputs["x"].clone().requires_grad_()
        total = self.weighted_sum({"memory": part(x, inputs["mask"]).memory})
        (grad,) = torch.autograd.grad(total, x)
        for row, position in (inputs["mask"] & ~grad.any(2)).nonzero().tolist():
            self.fail(f"nothing in row {row}'s memory depends on source position {position}")

    @rule
    def positions_correspond(self) -> None:
        """If the memory is as long as the source, each column of memory j depends on source position j."""
        part = self.part()
        self.generator.manual_seed(1)
        x = self.randn(MANY_ROWS, 6, *self.sizes)
        mask = torch.ones(x.shape[:2], dtype=torch.bool)
        before = part(x, mask).memory
        if before.shape[1] != x.shape[1]:
            return
        for position in range(x.shape[1]):
            other = x.clone()
            other[:, position] += self.randn(MANY_ROWS, *self.sizes)
            same = (part(other, mask).memory == before).all(0)
            blind = (same[position] & ~same.all(0)).nonzero().flatten().tolist()
            self.expect(
                not blind,
                f"memory {position} does not depend on source position {position} in columns {blind}, which depend "
                "on it elsewhere: a direction is not reversed, or not reversed back",
            )


def check_encoder(build: Callable[..., Encoder], *, name: str = "", sizes: tuple[int] | None = None) -> None:
    """Check an encoder against its contract. `build(input_size)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    EncoderContract(build, name=name, sizes=sizes).check()
