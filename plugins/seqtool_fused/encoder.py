"""A recurrent encoder in C: all layers, both ways, with nothing turned round or joined in between."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.api import Encoded, known_full, lengths, own_modules, part_name
from seqtool_fused.calling import FusedKernel, Numbers, Operation, own, with_parameters
from seqtool_fused.embedding import LookedUp
from seqtool_fused.gru import GRUKernel
from seqtool_fused.lstm import LSTMKernel
from seqtool_fused.recurrent import PARAMETERS, Given, Of, Steps, Way, mapped, misfit, parameters_of, unmapped

RNN = "encoder/encoders:rnn"
STEPS: dict[str, Steps] = {name: kernel.steps for kernel in (LSTMKernel, GRUKernel) for name in kernel.parts}


class EncoderOperation(Operation):
    """`forward` of an encoder `rnn`, `own`. Inputs: x or its table, and the `PARAMETERS` of each of its cells."""

    def __init__(self, own: Callable[..., Encoded], module: Any, mask: Tensor, found: LookedUp | None) -> None:
        self.own, self.module, self.mask, self.found = own, module, mask, found
        self.steps, self.size = STEPS[part_name(module.cells[0])], module.cells[0].output_size
        known = None if known_full(mask) else lengths(mask)
        self.ways = [Way(known, n > 0, n * self.size) for n in range(module.num_directions)]

    def forward(self, *inputs: Tensor) -> tuple[Numbers, Numbers]:
        """See `Operation.forward`."""
        x = inputs[0].contiguous()
        saved: list[Tensor] = []
        final: list[Tensor] = []
        for layer, added in enumerate(self.module.added):
            outputs, state = x.new_empty(*self.mask.shape, len(self.ways) * self.size), self._first(x)
            ends: list[Numbers] = []
            kept: list[Tensor] = []
            for n, way in enumerate(self.ways):
                parameters = self._parameters(inputs, layer, n)
                given = Given(way, mapped(self._found(layer), x, parameters), state, parameters)
                last, remembered = self.steps.forward(given, outputs)
                ends.append(last)
                kept.append(remembered)
            final += [torch.cat(parts, 1) for parts in zip(*ends, strict=True)]
            saved += [x, outputs, *kept]
            x = outputs + self._real(x) if added else outputs
        return (x, *final), tuple(saved)

    def backward(
        self, saved: Numbers, inputs: Numbers, of_outputs: Sequence[Tensor | None], wanted: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        states, each = self.steps.states, 2 + len(self.ways)
        of_memory = torch.zeros_like(saved[1 - each]) if of_outputs[0] is None else of_outputs[0].contiguous()
        of_cells: list[Tensor] = []
        for layer in reversed(range(len(self.module.added))):
            x, outputs, *kept = saved[layer * each :][:each]
            of_final, found = of_outputs[1 + layer * states :][:states], self._found(layer)
            of_x = torch.empty_like(x) if (layer or wanted[0]) and not found else None
            of_layer: list[Tensor] = []
            for n, way in enumerate(self.ways):
                parameters = self._parameters(inputs, layer, n)
                state = self._first(x)
                ours = [None if one is None else one[:, way.column :][:, : self.size] for one in of_final]
                of_last = [own(one, part) for one, part in zip(ours, state, strict=True)]
                given = Given(way, unmapped(found, x, parameters), state, parameters)
                of = Of(of_memory, of_last, None if found else of_x)
                _, (of_first, *of_rest) = self.steps.backward(given, kept[n], outputs, of, add=n > 0)
                if found:
                    of_table, of_first = found.of_map(parameters[0], of_first)
                    of_x = of_table if of_x is None else of_x + of_table
                of_layer += [of_first, *of_rest]
            of_cells = of_layer + of_cells
            if self.module.added[layer] and of_x is not None:
                of_x += self._real(of_memory)
            if layer:
                assert of_x is not None
                of_memory = of_x
        return of_x if wanted[0] else None, *of_cells

    def reference(self, *inputs: Tensor) -> Numbers:
        """See `Operation.reference`."""
        x = LookedUp(inputs[0], self.found.ids).x() if self.found else inputs[0]

        def use(module: nn.Module) -> Numbers:
            encoded = self.own(module, x, self.mask)
            return encoded.memory, *encoded.final

        names = [f"cells.{n}.{name}" for n in range(len(self.module.cells)) for name in PARAMETERS]
        return with_parameters(self.module, dict(zip(names, inputs[1:], strict=True)), use)

    def _found(self, layer: int) -> LookedUp | None:
        return None if layer else self.found

    def _parameters(self, inputs: Numbers, layer: int, way: int) -> Numbers:
        first = 1 + (layer * len(self.ways) + way) * len(PARAMETERS)
        return tuple(tensor.contiguous() for tensor in inputs[first : first + len(PARAMETERS)])

    def _first(self, x: Tensor) -> Numbers:
        return (x.new_zeros(len(self.mask), self.size),) * self.steps.states

    def _real(self, x: Tensor) -> Tensor:
        return x.masked_fill(~self.mask[:, :, None], 0)


class EncoderKernel(FusedKernel):
    """`RNNEncoder.forward` with LSTM or GRU cells, one way or both, in any number of layers, forward and backward.

    Equation:
        as encoder/rnn and its cells; read backwards, a row's steps begin at its last real position

    Source: its part's, encoder/rnn; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`. Beside the kernels of the cells alone it turns no row round, joins no outputs
    and adds no gradients of x outside of C.
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
                return f"its cell is {type(cell).__name__}; known are LSTM and GRU"
            if type(cell) is not type(cells[0]) or cell.output_size != cells[0].output_size:
                return "its cells differ"
        return None

    def tensors(self, part: Any, x: Tensor, mask: Tensor) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (x, *weights_of(part))

    def verify(self, part: Any, x: Tensor, *arguments: Any, **named: Any) -> str | None:
        """See `Kernel.verify`."""
        return super().verify(part, x, *arguments, **named) or layers_misfit(part, x.shape[2])

    def __call__(self, part: Any, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        return self.encode(part, x, mask, None)

    def encode(self, part: Any, x: Tensor, mask: Tensor, found: LookedUp | None) -> Encoded:
        """Encode `x [B, S, I]`, or the embedded symbols `found`, of which `x` is the table."""
        memory, *final = EncoderOperation(self.reference, part, mask, found)(x, *weights_of(part))
        return Encoded(memory, mask, tuple(final))


def weights_of(encoder: Any) -> list[Tensor]:
    """The parameters of all cells, cell by cell."""
    return [weight for cell in own_modules(encoder)["cells"] for weight in parameters_of(cell)]


def layers_misfit(encoder: Any, input_size: int) -> str | None:
    """Why the layers do not fit one another or vectors of this size, which their own code reports."""
    for n, cell in enumerate(own_modules(encoder)["cells"]):
        if n == encoder.num_directions:
            input_size = encoder.num_directions * cell.output_size
        if reason := misfit(cell, input_size):
            return reason
    return None
