"""A bidirectional recurrent encoder on CUDA: one call of cuDNN per layer computes both directions."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from seqtool.api import Encoded, last_real, part_name
from seqtool_triton.wide import CELLS, CudaKernel

FROZEN = 1e4
"""Added to the pre-activation of a gate at padding, so that the gate is exactly 0 or 1."""
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
PADDED: dict[str, tuple[float, ...]] = {"lstm": (-FROZEN, FROZEN, 0.0, 0.0), "gru": (0.0, FROZEN, 0.0)}
"""Added to the pre-activation of each gate at padding, so that the state is kept: i and f of an LSTM, z of a GRU."""


class BothWaysKernel(CudaKernel):
    """`RNNEncoder.forward` with LSTM or GRU cells in both directions: one call of cuDNN per layer.

    Equation:
        The equations of encoder/rnn. Padding is an additional input, whose weights keep the state unchanged. In the
        reverse direction, padding comes first and keeps the initial state, zero, so that no row is reversed.

    Source: encoder/rnn.

    When to use: chosen by `engine: auto` on a GPU. As `unroll` of the cells, it uses TF32 if
    `torch.backends.cudnn.allow_tf32` is set, the default, and its gradients cannot be differentiated on CUDA.
    """

    parts = ("encoder/encoders:rnn",)
    method = "forward"
    tolerance = 2e-3
    examples = (
        ("encoder/rnn", {"cell": {"type": "lstm", "hidden_size": 23}, "bidirectional": True}),
        ("encoder/rnn", {"cell": {"type": "gru", "hidden_size": 11}, "bidirectional": True, "layers": 2}),
    )

    def unsupported(self, module: Any) -> str | None:
        """See `Kernel.unsupported`."""
        if module.num_directions != 2:
            return "it has one direction"
        for cell in module.cells:
            if part_name(cell) not in CELLS:
                return f"its cell is {type(cell).__name__}; LSTM and GRU are supported"
            if type(cell) is not type(module.cells[0]) or cell.output_size != module.cells[0].output_size:
                return "its cells differ"
        return None

    def tensors(self, part: Any, x: Tensor, mask: Tensor) -> Iterable[Tensor]:
        """See `Kernel.tensors`."""
        return (x, *part.parameters())

    def __call__(self, module: Any, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        padding, final = ~mask.unsqueeze(2), []
        for added, layer in zip(module.is_residual, range(0, len(module.cells), 2), strict=True):
            real = x.masked_fill(padding, 0)
            outputs, states = _layer(module.cells[layer : layer + 2], torch.cat([real, padding.to(x.dtype)], 2), mask)
            final += states
            x = outputs + real if added else outputs
        return Encoded(x, mask, tuple(final))


def _layer(cells: Any, x: Tensor, mask: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Outputs `[B, S, 2 H]` and last states `[B, 2 H]` of `x [B, S, I + 1]`, whose last column is 1 at padding."""
    kind, size = CELLS[part_name(cells[0])], cells[0].output_size
    weights = [_weight(cell, name, PADDED[kind]) for cell in cells for name in PARAMETERS]
    first = x.new_zeros(2, len(x), size)
    settings = (weights, True, 1, 0.0, True, True, True)
    if kind == "lstm":
        outputs, h, c = torch.lstm(x, (first, first), *settings)
    else:
        outputs, h = torch.gru(x, first, *settings)
    outputs = outputs.masked_fill(~mask.unsqueeze(2), 0)
    if kind == "gru":
        return outputs, [torch.cat([h[0], h[1]], 1)]
    # at padding c is kept, but h depends on the output gate: the last h is taken from the last real position
    last = last_real(outputs[:, :, :size], mask, first[0])
    return outputs, [torch.cat([last, h[1]], 1), torch.cat([c[0], c[1]], 1)]


def _weight(cell: Any, name: str, padded: tuple[float, ...]) -> Tensor:
    weight: Tensor = getattr(cell, name)
    if name != "weight_ih":
        return weight
    column = [weight.new_full((cell.output_size, 1), value) for value in padded]
    return torch.cat([weight, torch.cat(column)], 1)
