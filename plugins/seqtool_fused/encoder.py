"""A recurrent encoder in C: all layers in both directions, without reversed or concatenated copies."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.api import Encoded, known_full, lengths, own_modules, part_name
from seqtool_fused.embedding import EmbeddingLookup
from seqtool_fused.gru import GRUKernel
from seqtool_fused.lstm import LSTMKernel
from seqtool_fused.operation import FusedKernel, Operation, Tensors, gradient_copy, with_parameters
from seqtool_fused.recurrent import (
    PARAMETERS,
    Direction,
    Gradients,
    StepInputs,
    Steps,
    backward_input,
    forward_input,
    parameters_of,
    size_refusal,
)

RNN = "encoder/encoders:rnn"
STEPS: dict[str, Steps] = {name: kernel.steps for kernel in (LSTMKernel, GRUKernel) for name in kernel.parts}


class EncoderOperation(Operation):
    """`forward` of encoder/rnn. Inputs: x or its table, and the `PARAMETERS` of each of its cells."""

    def __init__(
        self, original: Callable[..., Encoded], module: Any, mask: Tensor, lookup: EmbeddingLookup | None
    ) -> None:
        self.original, self.module, self.mask, self.lookup = original, module, mask, lookup
        self.steps, self.size = STEPS[part_name(module.cells[0])], module.cells[0].output_size
        real = None if known_full(mask) else lengths(mask)
        self.directions = [Direction(real, n > 0, n * self.size) for n in range(module.num_directions)]

    def forward(self, *inputs: Tensor) -> tuple[Tensors, Tensors]:
        """See `Operation.forward`."""
        x = inputs[0].contiguous()
        saved: list[Tensor] = []
        final: list[Tensor] = []
        for layer, added in enumerate(self.module.is_residual):
            outputs, state = x.new_empty(*self.mask.shape, len(self.directions) * self.size), self._first(x)
            ends: list[Tensors] = []
            activations: list[Tensor] = []
            for n, direction in enumerate(self.directions):
                parameters = self._parameters(inputs, layer, n)
                step_inputs = StepInputs(
                    direction, forward_input(self._lookup(layer), x, parameters), state, parameters
                )
                last, kept = self.steps.forward(step_inputs, outputs)
                ends.append(last)
                activations.append(kept)
            final += [torch.cat(parts, 1) for parts in zip(*ends, strict=True)]
            saved += [x, outputs, *activations]
            x = outputs + self._real(x) if added else outputs
        return (x, *final), tuple(saved)

    def backward(
        self, saved: Tensors, inputs: Tensors, grad_outputs: Sequence[Tensor | None], needed: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        states, each = self.steps.states, 2 + len(self.directions)
        grad_memory = torch.zeros_like(saved[1 - each]) if grad_outputs[0] is None else grad_outputs[0].contiguous()
        grad_cells: list[Tensor] = []
        for layer in reversed(range(len(self.module.is_residual))):
            x, outputs, *activations = saved[layer * each :][:each]
            grad_final, lookup = grad_outputs[1 + layer * states :][:states], self._lookup(layer)
            grad_x = torch.empty_like(x) if (layer or needed[0]) and not lookup else None
            grad_layer: list[Tensor] = []
            for n, direction in enumerate(self.directions):
                parameters = self._parameters(inputs, layer, n)
                state = self._first(x)
                ours = [None if one is None else one[:, direction.column :][:, : self.size] for one in grad_final]
                grad_last = [gradient_copy(one, part) for one, part in zip(ours, state, strict=True)]
                step_inputs = StepInputs(direction, backward_input(lookup, x, parameters), state, parameters)
                gradients = Gradients(grad_memory, grad_last, None if lookup else grad_x)
                _, (grad_first, *grad_rest) = self.steps.backward(
                    step_inputs, activations[n], outputs, gradients, add=n > 0
                )
                if lookup:
                    grad_table, grad_first = lookup.projection_gradients(parameters[0], grad_first)
                    grad_x = grad_table if grad_x is None else grad_x + grad_table
                grad_layer += [grad_first, *grad_rest]
            grad_cells = grad_layer + grad_cells
            if self.module.is_residual[layer] and grad_x is not None:
                grad_x += self._real(grad_memory)
            if layer:
                assert grad_x is not None
                grad_memory = grad_x
        return grad_x if needed[0] else None, *grad_cells

    def reference(self, *inputs: Tensor) -> Tensors:
        """See `Operation.reference`."""
        x = EmbeddingLookup(inputs[0], self.lookup.ids).vectors() if self.lookup else inputs[0]

        def use(module: nn.Module) -> Tensors:
            encoded = self.original(module, x, self.mask)
            return encoded.memory, *encoded.final

        names = [f"cells.{n}.{name}" for n in range(len(self.module.cells)) for name in PARAMETERS]
        return with_parameters(self.module, dict(zip(names, inputs[1:], strict=True)), use)

    def _lookup(self, layer: int) -> EmbeddingLookup | None:
        return None if layer else self.lookup

    def _parameters(self, inputs: Tensors, layer: int, direction: int) -> Tensors:
        first = 1 + (layer * len(self.directions) + direction) * len(PARAMETERS)
        return tuple(tensor.contiguous() for tensor in inputs[first : first + len(PARAMETERS)])

    def _first(self, x: Tensor) -> Tensors:
        return (x.new_zeros(len(self.mask), self.size),) * self.steps.states

    def _real(self, x: Tensor) -> Tensor:
        return x.masked_fill(~self.mask[:, :, None], 0)


class EncoderKernel(FusedKernel):
    """`RNNEncoder.forward` with LSTM or GRU cells, in one or both directions, forward and backward.

    Equation:
        the equations of encoder/rnn and its cells; the reverse direction begins at the last real position of each row

    Source: encoder/rnn; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`. Unlike the kernels of the cells alone, it does not reverse rows, concatenate
    outputs or add gradients of x outside C.
    """

    parts = (RNN,)
    method = "forward"
    examples = (
        ("encoder/rnn", {"cell": {"type": "lstm", "hidden_size": 23}, "bidirectional": True}),
        ("encoder/rnn", {"cell": {"type": "gru", "hidden_size": 11}, "layers": 2}),
    )

    def unsupported(self, part: Any) -> str | None:
        """See `Kernel.unsupported`."""
        cells = [*own_modules(part)["cells"]]
        for cell in cells:
            if part_name(cell) not in STEPS:
                return f"its cell is {type(cell).__name__}; LSTM and GRU are supported"
            if type(cell) is not type(cells[0]) or cell.output_size != cells[0].output_size:
                return "its cells differ"
        return None

    def tensors(self, part: Any, x: Tensor, mask: Tensor) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (x, *cell_parameters(part))

    def verify(self, part: Any, x: Tensor, *arguments: Any, **named: Any) -> str | None:
        """See `Kernel.verify`."""
        return super().verify(part, x, *arguments, **named) or layers_refusal(part, x.shape[2])

    def __call__(self, part: Any, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        return self.encode(part, x, mask, None)

    def encode(self, part: Any, x: Tensor, mask: Tensor, lookup: EmbeddingLookup | None) -> Encoded:
        """Encode `x [B, S, I]`, or the embedded symbols `lookup`, whose table is `x`."""
        memory, *final = EncoderOperation(self.reference, part, mask, lookup)(x, *cell_parameters(part))
        return Encoded(memory, mask, tuple(final))


def cell_parameters(encoder: Any) -> list[Tensor]:
    """The parameters of all cells, cell by cell."""
    return [weight for cell in own_modules(encoder)["cells"] for weight in parameters_of(cell)]


def layers_refusal(encoder: Any, input_size: int) -> str | None:
    """Why sizes of layers do not match, an error that their own code reports; None if they do."""
    for n, cell in enumerate(own_modules(encoder)["cells"]):
        if n == encoder.num_directions:
            input_size = encoder.num_directions * cell.output_size
        if reason := size_refusal(cell, input_size):
            return reason
    return None
