"""What the kernels of cells share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from seqtool.api import Tree, known_full, lengths, own_parameters, tree
from seqtool_fused.calling import FusedKernel, Numbers, Operation, own, with_parameters
from seqtool_fused.embedding import LookedUp

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Way(NamedTuple):
    """Which rows of x are read in which order, and where outputs stand.

    Attributes:
        lengths: `[B]`, int64; None where all positions are real.
        reversed: the last real position is read first.
        column: the first of the columns of `outputs [B, S, W]` that are the cell's.
    """

    lengths: Tensor | None
    reversed: bool = False
    column: int = 0

    def of(self, outputs: Tensor) -> Tensor:
        """`outputs [B, S, W]` from this column on, as one row of numbers."""
        return outputs.view(-1)[self.column :]


class Mapped(NamedTuple):
    """What stands in the place of x where it is rows of a table (see `embedding.LookedUp`).

    Attributes:
        ids: `[B, S]`, which row.
        values: `[symbols, gates]`: W x of each; backward, room of that size.
    """

    ids: Tensor
    values: Tensor


class Given(NamedTuple):
    """What all steps of a cell read; all of it contiguous."""

    way: Way
    x: Tensor | Mapped
    state: Sequence[Tensor]
    parameters: Sequence[Tensor]


class Of(NamedTuple):
    """Gradients: of the outputs `[B, S, W]` and of the last state, and room for that of x, if it is wanted."""

    outputs: Tensor
    last: Sequence[Tensor]
    x: Tensor | None


class Steps(ABC):
    """All steps of a cell in C."""

    states: ClassVar[int]

    @abstractmethod
    def forward(self, given: Given, outputs: Tensor) -> tuple[Numbers, Tensor]:
        """Fills its columns of `outputs [B, S, W]`; gives the last state, and what `backward` wants to see again."""

    @abstractmethod
    def backward(self, given: Given, kept: Tensor, outputs: Tensor, of: Of, add: bool) -> tuple[Numbers, Numbers]:
        """Fills `of.x`, or adds to it; gives the gradients of the first state and of the parameters.

        Of mapped x, the gradient of its values stands in the place of that of `weight_ih`. `of.last` is overwritten.
        """


def numbers_of(x: Tensor | Mapped) -> tuple[tuple[int, int, int], int, tuple[Tensor | None, ...]]:
    """What C wants to know of x: its sizes, how many symbols, and `x, ids, mapped`."""
    if isinstance(x, Mapped):
        return (*x.ids.shape, 0), len(x.values), (None, x.ids, x.values)
    return tuple(x.shape), 0, (x, None, None)


def mapped(found: LookedUp | None, x: Tensor, parameters: Sequence[Tensor]) -> Tensor | Mapped:
    """What steps read: x, or where that is looked up, what `weight_ih` makes of its table."""
    return Mapped(found.ids, found.mapped(parameters[0])) if found else x


def unmapped(found: LookedUp | None, x: Tensor, parameters: Sequence[Tensor]) -> Tensor | Mapped:
    """What they read on the way back."""
    return Mapped(found.ids, found.room(parameters[0])) if found else x


class RecurrentOperation(Operation):
    """All steps of a cell; inputs are x or its table, the tensors of the state, and the cell's `PARAMETERS`."""

    def __init__(
        self,
        steps: Steps,
        own: Callable[..., tuple[Tensor, Tree]],
        module: Any,
        mask: Tensor,
        first: Tree,
        found: LookedUp | None,
    ) -> None:
        self.steps, self.own, self.module, self.mask, self.found = steps, own, module, mask, found
        self.first = first
        self.way = Way(None if known_full(mask) else lengths(mask))

    def forward(self, *inputs: Tensor) -> tuple[Numbers, Numbers]:
        """See `Operation.forward`."""
        x, state, parameters = self._parted(inputs)
        outputs = x.new_empty(*self.mask.shape, self.module.output_size)
        given = Given(self.way, mapped(self.found, x, parameters), state, parameters)
        last, kept = self.steps.forward(given, outputs)
        return (outputs, *last), (kept, outputs)

    def backward(
        self, saved: Numbers, inputs: Numbers, of_outputs: Sequence[Tensor | None], wanted: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        x, state, parameters = self._parted(inputs)
        kept, outputs = saved
        of_x = torch.empty_like(x) if wanted[0] and not self.found else None
        of_output = torch.zeros_like(outputs) if of_outputs[0] is None else of_outputs[0].contiguous()
        of_last = [own(one, part) for one, part in zip(of_outputs[1:], state, strict=True)]
        given = Given(self.way, unmapped(self.found, x, parameters), state, parameters)
        of = Of(of_output, of_last, of_x)
        of_state, (of_first, *of_rest) = self.steps.backward(given, kept, outputs, of, add=False)
        if self.found:
            of_x, of_first = self.found.of_map(parameters[0], of_first)
        return of_x, *of_state, of_first, *of_rest

    def reference(self, *inputs: Tensor) -> Numbers:
        """See `Operation.reference`."""
        given, *state = inputs[: -len(PARAMETERS)]
        x = LookedUp(given, self.found.ids).x() if self.found else given

        def use(module: nn.Module) -> Numbers:
            outputs, after = self.own(module, x, self.mask, (), tree.rebuild(self.first, state))
            return outputs, *tree.leaves(after)

        return with_parameters(self.module, dict(zip(PARAMETERS, inputs[1 + len(state) :], strict=True)), use)

    def _parted(self, inputs: Numbers) -> tuple[Tensor, Numbers, Numbers]:
        x, *rest = (tensor.contiguous() for tensor in inputs)
        return x, tuple(rest[: self.steps.states]), tuple(rest[self.steps.states :])


class RecurrentKernel(FusedKernel):
    """`unroll` of a cell, by an operation."""

    steps: ClassVar[Steps]

    def tensors(self, part: Any, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (x, *tree.leaves(state), *parameters_of(part))

    def verify(self, part: Any, x: Tensor, *arguments: Any, **named: Any) -> str | None:
        """See `Kernel.verify`."""
        return super().verify(part, x, *arguments, **named) or misfit(part, x.shape[2])

    def __call__(self, part: Any, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.unroll`."""
        return self.unroll(part, x, mask, state, None)

    def unroll(self, part: Any, x: Tensor, mask: Tensor, state: Tree, found: LookedUp | None) -> tuple[Tensor, Tree]:
        """All steps over `x [B, S, I]`, or over the embedded symbols `found`, of which `x` is the table."""
        operation = RecurrentOperation(self.steps, self.reference, part, mask, state, found)
        outputs, *after = operation(x, *tree.leaves(state), *parameters_of(part))
        return outputs, tree.rebuild(state, after)


def parameters_of(cell: Any) -> tuple[Tensor, ...]:
    """The `PARAMETERS` of a cell."""
    held = own_parameters(cell)
    return tuple([held[name] for name in PARAMETERS])


def misfit(cell: Any, input_size: int) -> str | None:
    """Why a cell's weights do not fit vectors of this size, which its own code reports; None where they do."""
    size = own_parameters(cell)["weight_ih"].shape[1]
    return None if size == input_size else f"its cell takes vectors of {size}, and is given {input_size}"
