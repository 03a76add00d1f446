"""The contract of a cell: one step of a recurrent network."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from seqtool.parts.types import Tensors

T = TypeVar("T")


class Cell(nn.Module):
    """One step of a recurrent network; the same class serves encoders and decoders.

    A subclass takes `(input_size, *, hidden_size, ...)`, sets `output_size` and `state_sizes`, and writes `step`.

    Attributes:
        output_size: H, the width of the output.
        state_sizes: the width of each tensor of the state.
        output_index: `state[output_index]` is the last output.
        num_fixed: how many tensors `start` returns as `fixed` (0: none).
        derived: which tensors of the state follow from what else happens, such as a count of steps: a bridge does not
            write them, a query does not hold them, and wrappers that mix states leave them alone.
    """

    kind = "cell"
    output_size: int
    state_sizes: tuple[int, ...]
    output_index: int = 0
    num_fixed: int = 0
    derived: tuple[int, ...] = ()

    def content(self, state: tuple[T, ...]) -> tuple[T, ...]:
        """What of a state, or of `state_sizes`, is not derived."""
        return tuple(x for i, x in enumerate(state) if i not in self.derived)

    def inner(self, state: tuple[T, ...]) -> tuple[T, ...]:
        """The content of a state beside the last output: an LSTM's c."""
        return tuple(x for i, x in enumerate(state) if i not in (*self.derived, self.output_index))

    def start(self, batch_size: int, like: Tensor) -> tuple[Tensors, Tensors]:
        """`(fixed, state)` before the first step, with the dtype and device of `like`; zeros unless overridden.

        Every tensor is `[batch_size, ...]`. `fixed` holds what is drawn once for a sequence (dropout masks).
        """
        return (), tuple(like.new_zeros(batch_size, size) for size in self.state_sizes)

    def step(self, x: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """One step: `x [B, I]` -> `(output [B, H], state)`."""
        raise NotImplementedError

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """One step whose weights read the last output times `factors [B, H]`, as recurrent dropout needs it.

        What is carried over to the next state is not touched. This form is right for cells that do not carry their
        output over (an LSTM); one that does (a GRU) overrides it.
        """
        return self.step(x, fixed, self.masked_state(factors, state))

    def masked_state(self, factors: Tensor, state: Tensors) -> Tensors:
        """The state with the last output times `factors [B, H]`."""
        masked = list(state)
        masked[self.output_index] = masked[self.output_index] * factors
        return tuple(masked)

    def gates(self, x: Tensor, fixed: Tensors, state: Tensors) -> dict[str, Tensor]:
        """What the gates of a `step` from `state` say, by name, each `[B, H]` within [0, 1]; `{}` without gates.

        For those who look, one step at a time: `step` and `unroll` do not go through it, and need not wait for it.
        """
        return {}

    def unroll(self, x: Tensor, mask: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """All steps: `x [B, S, I]`, `mask [B, S]` -> `(outputs [B, S, H], state)`.

        The output at padding is zero, and the state is the one after each row's last real position.
        This loop is the meaning; a faster form overrides it, and the contract suite holds the two equal.
        """
        outputs = []
        for x_t, real in zip(x.unbind(1), mask.unsqueeze(2).unbind(1), strict=True):
            output, after = self.step(x_t, fixed, state)
            state = tuple(torch.where(real, new, old) for new, old in zip(after, state, strict=True))
            outputs.append(output.masked_fill(~real, 0))
        return stack_steps(outputs, x, self.output_size), state


def stack_steps(steps: list[Tensor], like: Tensor, size: int) -> Tensor:
    """`[B, F]` a step -> `[B, S, F]`; `[B, 0, size]` for no step at all."""
    return torch.stack(steps, 1) if steps else like.new_zeros(like.shape[0], 0, size)
