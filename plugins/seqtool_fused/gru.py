"""All steps of a GRU in C, forward and backward."""

import torch
from torch import Tensor

from seqtool_fused.operation import Tensors, call
from seqtool_fused.recurrent import Gradients, RecurrentKernel, StepInputs, Steps, sizes_and_tensors


class GRUSteps(Steps):
    """See csrc/gru.c."""

    states = 1

    def forward(self, inputs: StepInputs, outputs: Tensor) -> tuple[Tensors, Tensor]:
        """See `Steps.forward`."""
        direction, x, state, parameters = inputs
        size, row, (shape, symbols, read) = state[0].shape[1], outputs.shape[2], sizes_and_tensors(x)
        activations, last_h = outputs.new_empty(*outputs.shape[:2], 4 * size), torch.empty_like(state[0])
        reads, results = (
            (direction.lengths, *read, *parameters, *state),
            (activations, direction.columns(outputs), last_h),
        )
        call("seqtool_gru_forward", *shape, size, direction.reversed, row, symbols, *reads, *results)
        return (last_h,), activations

    def backward(
        self, inputs: StepInputs, activations: Tensor, outputs: Tensor, gradients: Gradients, add: bool
    ) -> tuple[Tensors, Tensors]:
        """See `Steps.backward`."""
        direction, x, state, parameters = inputs
        weights, size, row, (shape, symbols, (values, ids, projected)) = (
            parameters[:2], state[0].shape[1], outputs.shape[2], sizes_and_tensors(x)
        )  # fmt: skip
        grad_weights = [weight.new_zeros(*weight.t().shape) for weight in weights]
        grad_biases = [weights[0].new_zeros(len(weights[0])) for _ in range(2)]
        grad_projected = None if projected is None else torch.zeros_like(projected)
        reads = (
            direction.lengths,
            values,
            ids,
            *weights,
            *state,
            activations,
            direction.columns(outputs),
            direction.columns(gradients.outputs),
        )
        results = (*gradients.last, gradients.x, grad_projected, *grad_weights, *grad_biases)
        call("seqtool_gru_backward", *shape, size, direction.reversed, row, add, symbols, *reads, *results)
        grad_weight_ih = grad_weights[0].t() if grad_projected is None else grad_projected
        return tuple(gradients.last), (grad_weight_ih, grad_weights[1].t(), *grad_biases)


class GRUKernel(RecurrentKernel):
    """`GRU.unroll`, forward and backward.

    Equation:
        the equations of cell/gru, for all steps; backward, with dh the gradient of h' from later steps:
        dn = dh (1 - z) (1 - n^2);  dz = dh (h - n) z (1 - z);  dr = dn (U_n h + b_hn) r (1 - r)
        dh of the previous step = dh z + U^T [dr dz (dn r)]

    Source: cell/gru; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`; several times as fast as torch's for small H.
    """

    parts = ("cell/cells:gru",)
    examples = (("cell/cells:gru", {"hidden_size": 23}),)
    steps = GRUSteps()
