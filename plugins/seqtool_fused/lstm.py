"""All steps of an LSTM in C, forward and backward."""

import torch
from torch import Tensor

from seqtool_fused.operation import Tensors, call
from seqtool_fused.recurrent import Gradients, RecurrentKernel, StepInputs, Steps, sizes_and_tensors


class LSTMSteps(Steps):
    """See csrc/lstm.c."""

    states = 2

    def forward(self, inputs: StepInputs, outputs: Tensor) -> tuple[Tensors, Tensor]:
        """See `Steps.forward`."""
        direction, x, state, parameters = inputs
        weight_ih, weight_hh, bias_ih, bias_hh = parameters
        size, row = weight_hh.shape[1], outputs.shape[2]
        activations, last_h, last_c = outputs.new_empty(*outputs.shape[:2], 5 * size), *map(torch.empty_like, state)
        shape, symbols, read = sizes_and_tensors(x)
        weights = weight_hh if symbols else torch.cat([weight_ih, weight_hh], 1)
        reads = (direction.lengths, *read, weights, bias_ih + bias_hh, *state)
        results = (activations, direction.columns(outputs), last_h, last_c)
        call("seqtool_lstm_forward", *shape, size, direction.reversed, row, symbols, *reads, *results)
        return (last_h, last_c), activations

    def backward(
        self, inputs: StepInputs, activations: Tensor, outputs: Tensor, gradients: Gradients, add: bool
    ) -> tuple[Tensors, Tensors]:
        """See `Steps.backward`."""
        direction, x, state, parameters = inputs
        weight_ih, weight_hh, *_ = parameters
        size, row, (shape, symbols, (values, ids, projected)) = (
            weight_hh.shape[1],
            outputs.shape[2],
            sizes_and_tensors(x),
        )
        weights = weight_hh if symbols else torch.cat([weight_ih, weight_hh], 1)
        grad_weights, grad_bias = weights.new_zeros(*weights.t().shape), weights.new_zeros(len(weights))
        grad_projected = None if projected is None else torch.zeros_like(projected)
        reads = (
            direction.lengths,
            values,
            ids,
            weights,
            *state,
            activations,
            direction.columns(outputs),
            direction.columns(gradients.outputs),
        )
        results = (*gradients.last, gradients.x, grad_projected, grad_weights, grad_bias)
        call("seqtool_lstm_backward", *shape, size, direction.reversed, row, add, symbols, *reads, *results)
        grad_weight_ih, grad_weight_hh = grad_weights.t().split([shape[2], size], 1)
        return tuple(gradients.last), (
            grad_weight_ih if grad_projected is None else grad_projected,
            grad_weight_hh,
            grad_bias,
            grad_bias.clone(),
        )


class LSTMKernel(RecurrentKernel):
    """`LSTM.unroll`, forward and backward.

    Equation:
        the equations of cell/lstm, for all steps; backward, with dh and dc the gradients of h' and c' from later steps:
        dc += dh o (1 - tanh(c')^2);  di, df, dg, do = dc g, dc c, dc i, dh tanh(c'), each times its gate's derivative
        dh, dc of the previous step = U^T [di df dg do], dc f

    Source: cell/lstm; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`. About a third faster than torch's kernel for small H; from 128 units on,
    matrix products dominate both.
    """

    parts = ("cell/cells:lstm",)
    examples = (("cell/cells:lstm", {"hidden_size": 23}),)
    steps = LSTMSteps()
