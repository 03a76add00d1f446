"""The base of kernels that run all steps of a cell."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from seqtool.api import Tree, known_full, lengths, own_parameters, tree
from seqtool_fused.embedding import EmbeddingLookup
from seqtool_fused.operation import FusedKernel, Operation, Tensors, gradient_copy, with_parameters

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Direction(NamedTuple):
    """The order in which positions are read, and the columns of the outputs.

    Attributes:
        lengths: `[B]`, int64; None if all positions are real.
        reversed: whether the last real position is read first.
        column: the first column of `outputs [B, S, W]` that belongs to the cell.
    """

    lengths: Tensor | None
    reversed: bool = False
    column: int = 0

    def columns(self, outputs: Tensor) -> Tensor:
        """`outputs [B, S, W]` from this column on, flattened."""
        return outputs.view(-1)[self.column :]


class Projected(NamedTuple):
    """x as rows of a table (see `embedding.EmbeddingLookup`), already multiplied by W.

    Attributes:
        ids: `[B, S]`, the rows.
        values: `[symbols, gates]`, W x of each symbol; backward, an empty tensor of that shape.
    """

    ids: Tensor
    values: Tensor


class StepInputs(NamedTuple):
    """What the steps of a cell read; all tensors are contiguous."""

    direction: Direction
    x: Tensor | Projected
    state: Sequence[Tensor]
    parameters: Sequence[Tensor]


class Gradients(NamedTuple):
    """Gradients of the outputs `[B, S, W]` and of the last state, and the buffer for that of x, None if not needed."""

    outputs: Tensor
    last: Sequence[Tensor]
    x: Tensor | None


class Steps(ABC):
    """All steps of a cell in C."""

    states: ClassVar[int]

    @abstractmethod
    def forward(self, inputs: StepInputs, outputs: Tensor) -> tuple[Tensors, Tensor]:
        """Write the cell's columns of `outputs [B, S, W]`; return the last state and the activations for `backward`."""

    @abstractmethod
    def backward(
        self, inputs: StepInputs, activations: Tensor, outputs: Tensor, gradients: Gradients, add: bool
    ) -> tuple[Tensors, Tensors]:
        """Write `gradients.x`, or `add` to it; return the gradients of the first state and of the parameters.

        If x is `Projected`, the gradient of its values replaces that of `weight_ih`. Overwrites `gradients.last`.
        """


def sizes_and_tensors(x: Tensor | Projected) -> tuple[tuple[int, int, int], int, tuple[Tensor | None, ...]]:
    """The sizes of x, the number of symbols, and the tensors `x, ids, projected` for C."""
    if isinstance(x, Projected):
        return (*x.ids.shape, 0), len(x.values), (None, x.ids, x.values)
    return tuple(x.shape), 0, (x, None, None)


def forward_input(lookup: EmbeddingLookup | None, x: Tensor, parameters: Sequence[Tensor]) -> Tensor | Projected:
    """What the steps read: x, or W x of each symbol if x is looked up."""
    return Projected(lookup.ids, lookup.project(parameters[0])) if lookup else x


def backward_input(lookup: EmbeddingLookup | None, x: Tensor, parameters: Sequence[Tensor]) -> Tensor | Projected:
    """What the steps read in the backward pass."""
    return Projected(lookup.ids, lookup.projected_buffer(parameters[0])) if lookup else x


class RecurrentOperation(Operation):
    """All steps of a cell. Inputs: x or its table, the leaves of the state, the cell's `PARAMETERS`."""

    def __init__(
        self,
        steps: Steps,
        original: Callable[..., tuple[Tensor, Tree]],
        module: Any,
        mask: Tensor,
        first: Tree,
        lookup: EmbeddingLookup | None,
    ) -> None:
        self.steps, self.original, self.module, self.mask, self.lookup = steps, original, module, mask, lookup
        self.first = first
        self.direction = Direction(None if known_full(mask) else lengths(mask))

    def forward(self, *inputs: Tensor) -> tuple[Tensors, Tensors]:
        """See `Operation.forward`."""
        x, state, parameters = self._split(inputs)
        outputs = x.new_empty(*self.mask.shape, self.module.output_size)
        step_inputs = StepInputs(self.direction, forward_input(self.lookup, x, parameters), state, parameters)
        last, activations = self.steps.forward(step_inputs, outputs)
        return (outputs, *last), (activations, outputs)

    def backward(
        self, saved: Tensors, inputs: Tensors, grad_outputs: Sequence[Tensor | None], needed: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        x, state, parameters = self._split(inputs)
        activations, outputs = saved
        grad_x = torch.empty_like(x) if needed[0] and not self.lookup else None
        grad_output = torch.zeros_like(outputs) if grad_outputs[0] is None else grad_outputs[0].contiguous()
        grad_last = [gradient_copy(one, part) for one, part in zip(grad_outputs[1:], state, strict=True)]
        step_inputs = StepInputs(self.direction, backward_input(self.lookup, x, parameters), state, parameters)
        gradients = Gradients(grad_output, grad_last, grad_x)
        grad_state, (grad_first, *grad_rest) = self.steps.backward(
            step_inputs, activations, outputs, gradients, add=False
        )
        if self.lookup:
            grad_x, grad_first = self.lookup.projection_gradients(parameters[0], grad_first)
        return grad_x, *grad_state, grad_first, *grad_rest

    def reference(self, *inputs: Tensor) -> Tensors:
        """See `Operation.reference`."""
        first, *state = inputs[: -len(PARAMETERS)]
        x = EmbeddingLookup(first, self.lookup.ids).vectors() if self.lookup else first

        def use(module: nn.Module) -> Tensors:
            outputs, after = self.original(module, x, self.mask, (), tree.rebuild(self.first, state))
            return outputs, *tree.leaves(after)

        return with_parameters(self.module, dict(zip(PARAMETERS, inputs[1 + len(state) :], strict=True)), use)

    def _split(self, inputs: Tensors) -> tuple[Tensor, Tensors, Tensors]:
        x, *rest = (tensor.contiguous() for tensor in inputs)
        return x, tuple(rest[: self.steps.states]), tuple(rest[self.steps.states :])


class RecurrentKernel(FusedKernel):
    """`unroll` of a cell by a `RecurrentOperation`."""

    steps: ClassVar[Steps]

    def tensors(self, part: Any, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (x, *tree.leaves(state), *parameters_of(part))

    def verify(self, part: Any, x: Tensor, *arguments: Any, **named: Any) -> str | None:
        """See `Kernel.verify`."""
        return super().verify(part, x, *arguments, **named) or size_refusal(part, x.shape[2])

    def __call__(self, part: Any, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.unroll`."""
        return self.unroll(part, x, mask, state, None)

    def unroll(
        self, part: Any, x: Tensor, mask: Tensor, state: Tree, lookup: EmbeddingLookup | None
    ) -> tuple[Tensor, Tree]:
        """All steps over `x [B, S, I]`, or over the embedded symbols `lookup`, whose table is `x`."""
        operation = RecurrentOperation(self.steps, self.reference, part, mask, state, lookup)
        outputs, *after = operation(x, *tree.leaves(state), *parameters_of(part))
        return outputs, tree.rebuild(state, after)


def parameters_of(cell: Any) -> tuple[Tensor, ...]:
    """The `PARAMETERS` of a cell."""
    parameters = own_parameters(cell)
    return tuple([parameters[name] for name in PARAMETERS])


def size_refusal(cell: Any, input_size: int) -> str | None:
    """Why a cell does not accept vectors of this size, an error that its own code reports; None if it does."""
    size = own_parameters(cell)["weight_ih"].shape[1]
    return None if size == input_size else f"its cell expects vectors of size {size}, got {input_size}"
