"""All steps of an LSTM in C, forward and backward; what has no recurrence is one matrix product over all steps."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.api import Tensors, Twin, known_full, lengths
from seqtool_fused.calling import Kernel, Numbers, call, ready, with_parameters
from seqtool_fused.library import missing

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class LSTMTwin(Twin):
    """`LSTM.unroll`, forward and backward.

    Equation:
        as cell/lstm, for all steps; backward, with dh and dc what later steps ask of h' and c':
        dc += dh o (1 - tanh(c')^2);  di, df, dg, do = dc g, dc c, dc i, dh tanh(c'), each times its gate's slope
        dh, dc of the step before = U^T [di df dg do], dc f

    Source: its part's, cell/lstm; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`; several times as fast as torch's kernel where H is small, which spends its
    time between operations.
    """

    of = ("seqtool_cells.lstm:LSTM",)
    examples = (("cell/cells:lstm", {"hidden_size": 23}),)

    def unavailable(self) -> str | None:
        """See `Twin.unavailable`."""
        return missing()

    def serves(self, module: nn.Module) -> str | None:
        """See `Twin.serves`: every option."""
        return None

    def __call__(self, module: Any, x: Tensor, mask: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Cell.unroll`."""
        weights = [getattr(module, name) for name in PARAMETERS]
        if not x.numel() or not ready(x, *state, *weights):
            result: tuple[Tensor, Tensors] = self.reference(module, x, mask, fixed, state)
            return result
        outputs, h, c = _LSTM(self.reference, module, mask)(x, *state, *weights)
        return outputs, (h, c)


class _LSTM(Kernel):
    def __init__(self, own: Callable[..., tuple[Tensor, Tensors]], module: Any, mask: Tensor) -> None:
        self.own, self.module, self.mask = own, module, mask
        self.lengths = None if known_full(mask) else lengths(mask)

    def forward(self, *inputs: Tensor) -> tuple[Numbers, Numbers]:
        """Inputs: x, h, c, and the cell's four parameters."""
        x, h, c, weight_ih, weight_hh, bias_ih, bias_hh = inputs
        size, rows = self.module.output_size, len(x)
        kept, outputs = (x.new_empty(*x.shape[:2], width) for width in (6 * size, size))
        last_h, last_c = (x.new_empty(rows, size) for _ in range(2))
        given = (x.contiguous(), torch.cat([weight_ih, weight_hh], 1), bias_ih + bias_hh)
        first, results = (h.contiguous(), c.contiguous()), (kept, outputs, last_h, last_c)
        call("seqtool_lstm_forward", *x.shape, size, self.lengths, *given, *first, *results)
        return (outputs, last_h, last_c), (kept, outputs)

    def backward(
        self, saved: Numbers, inputs: Numbers, of_outputs: Numbers, wanted: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Kernel.backward`."""
        x, h, c, weight_ih, weight_hh = (tensor.contiguous() for tensor in inputs[:5])
        of_output, of_h, of_c = of_outputs[0].contiguous(), *(of.clone().contiguous() for of in of_outputs[1:])
        weights = torch.cat([weight_ih, weight_hh], 1)
        of_x = torch.empty_like(x) if wanted[0] else None
        of_weights, of_bias = torch.zeros_like(weights), x.new_zeros(len(weights))
        size, results = self.module.output_size, (of_h, of_c, of_x, of_weights, of_bias)
        call("seqtool_lstm_backward", *x.shape, size, self.lengths, x, weights, h, c, *saved, of_output, *results)
        of_weight_ih, of_weight_hh = of_weights.split([x.shape[2], size], 1)
        return of_x, of_h, of_c, of_weight_ih, of_weight_hh, of_bias, of_bias

    def reference(self, *inputs: Tensor) -> Numbers:
        """See `Kernel.reference`."""
        x, h, c, *weights = inputs

        def use(module: Any) -> Numbers:
            outputs, state = self.own(module, x, self.mask, (), (h, c))
            return outputs, *state

        return with_parameters(self.module, dict(zip(PARAMETERS, weights, strict=True)), use)
