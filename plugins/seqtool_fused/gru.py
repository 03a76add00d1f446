"""All steps of a GRU in C, forward and backward."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqtool_fused.calling import Numbers, call
from seqtool_fused.recurrent import RecurrentKernel, RecurrentTwin


class GRUKernel(RecurrentKernel):
    """See csrc/gru.c."""

    def forward(self, *inputs: Tensor) -> tuple[Numbers, Numbers]:
        """Inputs: x, h, and the cell's four parameters."""
        x, h, *weights = (tensor.contiguous() for tensor in inputs)
        size = self.module.output_size
        kept, outputs = (x.new_empty(*x.shape[:2], width) for width in (4 * size, size))
        last_h = x.new_empty(len(x), size)
        call("seqtool_gru_forward", *x.shape, size, self.lengths, x, *weights, h, kept, outputs, last_h)
        return (outputs, last_h), (kept, outputs)

    def backward(
        self, saved: Numbers, inputs: Numbers, of_outputs: Numbers, wanted: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Kernel.backward`."""
        x, h, weight_ih, weight_hh = (tensor.contiguous() for tensor in inputs[:4])
        of_output, of_h = of_outputs[0].contiguous(), of_outputs[1].clone().contiguous()
        of_x = torch.empty_like(x) if wanted[0] else None
        of_weights = [x.new_zeros(*weight.t().shape) for weight in (weight_ih, weight_hh)]
        of_biases = [x.new_zeros(len(weight_ih)) for _ in range(2)]
        given = (self.lengths, x, weight_ih, weight_hh, h, *saved, of_output)
        call("seqtool_gru_backward", *x.shape, self.module.output_size, *given, of_h, of_x, *of_weights, *of_biases)
        return of_x, of_h, *(weight.t() for weight in of_weights), *of_biases


class GRUTwin(RecurrentTwin):
    """`GRU.unroll`, forward and backward.

    Equation:
        as cell/gru, for all steps; backward, with dh what later steps ask of h':
        dn = dh (1 - z) (1 - n^2);  dz = dh (h - n) z (1 - z);  dr = dn (U_n h + b_hn) r (1 - r)
        dh of the step before = dh z + U^T [dr dz (dn r)]

    Source: its part's, cell/gru; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`; several times as fast as torch's own where H is small.
    """

    of = ("seqtool_cells.gru:GRU",)
    examples = (("cell/cells:gru", {"hidden_size": 23}),)
    kernel = GRUKernel
