"""All steps of an LSTM in C, forward and backward."""

import torch
from torch import Tensor

from seqtool_fused.calling import Numbers, call
from seqtool_fused.recurrent import Given, Of, RecurrentKernel, Steps, numbers_of


class LSTMSteps(Steps):
    """See csrc/lstm.c."""

    states = 2

    def forward(self, given: Given, outputs: Tensor) -> tuple[Numbers, Tensor]:
        """See `Steps.forward`."""
        way, x, state, parameters = given
        weight_ih, weight_hh, bias_ih, bias_hh = parameters
        size, row = weight_hh.shape[1], outputs.shape[2]
        kept, last_h, last_c = outputs.new_empty(*outputs.shape[:2], 5 * size), *map(torch.empty_like, state)
        shape, symbols, read = numbers_of(x)
        weights = weight_hh if symbols else torch.cat([weight_ih, weight_hh], 1)
        reads = (way.lengths, *read, weights, bias_ih + bias_hh, *state)
        results = (kept, way.of(outputs), last_h, last_c)
        call("seqtool_lstm_forward", *shape, size, way.reversed, row, symbols, *reads, *results)
        return (last_h, last_c), kept

    def backward(self, given: Given, kept: Tensor, outputs: Tensor, of: Of, add: bool) -> tuple[Numbers, Numbers]:
        """See `Steps.backward`."""
        way, x, state, parameters = given
        weight_ih, weight_hh, *_ = parameters
        size, row, (shape, symbols, (values, ids, mapped)) = weight_hh.shape[1], outputs.shape[2], numbers_of(x)
        weights = weight_hh if symbols else torch.cat([weight_ih, weight_hh], 1)
        of_weights, of_bias = weights.new_zeros(*weights.t().shape), weights.new_zeros(len(weights))
        of_mapped = None if mapped is None else torch.zeros_like(mapped)
        reads = (way.lengths, values, ids, weights, *state, kept, way.of(outputs), way.of(of.outputs))
        results = (*of.last, of.x, of_mapped, of_weights, of_bias)
        call("seqtool_lstm_backward", *shape, size, way.reversed, row, add, symbols, *reads, *results)
        of_weight_ih, of_weight_hh = of_weights.t().split([shape[2], size], 1)
        return tuple(of.last), (
            of_weight_ih if of_mapped is None else of_mapped,
            of_weight_hh,
            of_bias,
            of_bias.clone(),
        )


class LSTMKernel(RecurrentKernel):
    """`LSTM.unroll`, forward and backward.

    Equation:
        as cell/lstm, for all steps; backward, with dh and dc what later steps ask of h' and c':
        dc += dh o (1 - tanh(c')^2);  di, df, dg, do = dc g, dc c, dc i, dh tanh(c'), each times its gate's slope
        dh, dc of the step before = U^T [di df dg do], dc f

    Source: its part's, cell/lstm; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`. About a third faster than torch's kernel where H is small; from 128 units on
    both spend their time in matrix products.
    """

    parts = ("cell/cells:lstm",)
    examples = (("cell/cells:lstm", {"hidden_size": 23}),)
    steps = LSTMSteps()
