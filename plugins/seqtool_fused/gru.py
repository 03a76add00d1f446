"""All steps of a GRU in C, forward and backward."""

import torch
from torch import Tensor

from seqtool_fused.calling import Numbers, call
from seqtool_fused.recurrent import Given, Of, RecurrentKernel, Steps, numbers_of


class GRUSteps(Steps):
    """See csrc/gru.c."""

    states = 1

    def forward(self, given: Given, outputs: Tensor) -> tuple[Numbers, Tensor]:
        """See `Steps.forward`."""
        way, x, state, parameters = given
        size, row, (shape, symbols, read) = state[0].shape[1], outputs.shape[2], numbers_of(x)
        kept, last_h = outputs.new_empty(*outputs.shape[:2], 4 * size), torch.empty_like(state[0])
        reads, results = (way.lengths, *read, *parameters, *state), (kept, way.of(outputs), last_h)
        call("seqtool_gru_forward", *shape, size, way.reversed, row, symbols, *reads, *results)
        return (last_h,), kept

    def backward(self, given: Given, kept: Tensor, outputs: Tensor, of: Of, add: bool) -> tuple[Numbers, Numbers]:
        """See `Steps.backward`."""
        way, x, state, parameters = given
        weights, size, row, (shape, symbols, (values, ids, mapped)) = (
            parameters[:2], state[0].shape[1], outputs.shape[2], numbers_of(x)
        )  # fmt: skip
        of_weights = [weight.new_zeros(*weight.t().shape) for weight in weights]
        of_biases = [weights[0].new_zeros(len(weights[0])) for _ in range(2)]
        of_mapped = None if mapped is None else torch.zeros_like(mapped)
        reads = (way.lengths, values, ids, *weights, *state, kept, way.of(outputs), way.of(of.outputs))
        results = (*of.last, of.x, of_mapped, *of_weights, *of_biases)
        call("seqtool_gru_backward", *shape, size, way.reversed, row, add, symbols, *reads, *results)
        of_weight_ih = of_weights[0].t() if of_mapped is None else of_mapped
        return tuple(of.last), (of_weight_ih, of_weights[1].t(), *of_biases)


class GRUKernel(RecurrentKernel):
    """`GRU.unroll`, forward and backward.

    Equation:
        as cell/gru, for all steps; backward, with dh what later steps ask of h':
        dn = dh (1 - z) (1 - n^2);  dz = dh (h - n) z (1 - z);  dr = dn (U_n h + b_hn) r (1 - r)
        dh of the step before = dh z + U^T [dr dz (dn r)]

    Source: its part's, cell/gru; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`; several times as fast as torch's own where H is small.
    """

    parts = ("cell/cells:gru",)
    examples = (("cell/cells:gru", {"hidden_size": 23}),)
    steps = GRUSteps()
