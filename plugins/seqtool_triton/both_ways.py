"""A recurrent encoder on CUDA: both directions of a layer in one call of cuDNN, which computes them concurrently."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from seqtool.api import Encoded, last_real, part_name
from seqtool_triton.wide import CELLS, CudaKernel

FROZEN = 1e4
"""What padding adds to a gate to shut it, or to open it, exactly."""
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
PADDED: dict[str, tuple[float, ...]] = {"lstm": (-FROZEN, FROZEN, 0.0, 0.0), "gru": (0.0, FROZEN, 0.0)}
"""What padding adds to each gate, so that the state stays: i and f of an LSTM, z of a GRU."""


class BothWaysKernel(CudaKernel):
    """`RNNEncoder.forward` with LSTM or GRU cells both ways: one call of cuDNN per layer.

    Equation:
        as encoder/rnn. Padding is one more input, whose weights keep the state as it is. Read backwards, padding comes
        first and leaves the first state, zero, so no row is reversed.

    Source: its part's, encoder/rnn.

    When to use: chosen by `engine: auto` on a GPU. Like the cells' own `unroll` it uses TF32 where
    `torch.backends.cudnn.allow_tf32` is set, as it is by default, and its gradients cannot be differentiated on CUDA.
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
            return "it reads one way"
        for cell in module.cells:
            if part_name(cell) not in CELLS:
                return f"its cell is {type(cell).__name__}; known are LSTM and GRU"
            if type(cell) is not type(module.cells[0]) or cell.output_size != module.cells[0].output_size:
                return "its cells differ"
        return None

    def tensors(self, part: Any, x: Tensor, mask: Tensor) -> Iterable[Tensor]:
        """See `Kernel.tensors`."""
        return (x, *part.parameters())

    def __call__(self, module: Any, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        padding, final = ~mask.unsqueeze(2), []
        for added, layer in zip(module.added, range(0, len(module.cells), 2), strict=True):
            real = x.masked_fill(padding, 0)
            outputs, states = _layer(module.cells[layer : layer + 2], torch.cat([real, padding.to(x.dtype)], 2), mask)
            final += states
            x = outputs + real if added else outputs
        return Encoded(x, mask, tuple(final))


def _layer(cells: Any, x: Tensor, mask: Tensor) -> tuple[Tensor, list[Tensor]]:
    """`x [B, S, I + 1]`, whose last column is 1 at padding -> outputs `[B, S, 2 H]`, and each state `[B, 2 H]`."""
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
    # at padding c stays, while h follows the output gate: the last h is that of the last real position
    last = last_real(outputs[:, :, :size], mask, first[0])
    return outputs, [torch.cat([last, h[1]], 1), torch.cat([c[0], c[1]], 1)]


def _weight(cell: Any, name: str, padded: tuple[float, ...]) -> Tensor:
    weight: Tensor = getattr(cell, name)
    if name != "weight_ih":
        return weight
    column = [weight.new_full((cell.output_size, 1), value) for value in padded]
    return torch.cat([weight, torch.cat(column)], 1)
