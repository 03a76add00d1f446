"""All steps of an LSTM in C, forward and backward."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqtool_fused.calling import Numbers, call
from seqtool_fused.recurrent import RecurrentKernel, RecurrentTwin


class LSTMKernel(RecurrentKernel):
    """See csrc/lstm.c."""

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
        of_weights, of_bias = x.new_zeros(*weights.t().shape), x.new_zeros(len(weights))
        size, results = self.module.output_size, (of_h, of_c, of_x, of_weights, of_bias)
        call("seqtool_lstm_backward", *x.shape, size, self.lengths, x, weights, h, c, *saved, of_output, *results)
        of_weight_ih, of_weight_hh = of_weights.t().split([x.shape[2], size], 1)
        return of_x, of_h, of_c, of_weight_ih, of_weight_hh, of_bias, of_bias


class LSTMTwin(RecurrentTwin):
    """`LSTM.unroll`, forward and backward.

    Equation:
        as cell/lstm, for all steps; backward, with dh and dc what later steps ask of h' and c':
        dc += dh o (1 - tanh(c')^2);  di, df, dg, do = dc g, dc c, dc i, dh tanh(c'), each times its gate's slope
        dh, dc of the step before = U^T [di df dg do], dc f

    Source: its part's, cell/lstm; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`. About a third faster than torch's kernel where H is small; from 128 units on
    both spend their time in matrix products.
    """

    of = ("seqtool_cells.lstm:LSTM",)
    examples = (("cell/cells:lstm", {"hidden_size": 23}),)
    kernel = LSTMKernel
