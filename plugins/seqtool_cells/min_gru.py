"""The minimal gated recurrent unit, computed by a parallel scan. Feng et al. 2024, arXiv 2410.01201."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree
from seqtool_cells.initialization import Initialization, add_input_parameters
from seqtool_cells.interpolate import interpolate
from seqtool_cells.linear_scan import linear_scan

Candidate = Literal["positive", "linear"]
"""positive: g(v) = v + 1/2 for v >= 0, else sigma(v) (appendix B). linear: g(v) = v (section 3)."""


class MinGRU(Cell):
    """A gated recurrent unit whose gate depends on the input alone, so that a parallel scan computes all steps.

    Equation:
        z = sigma(W_z x + b_z);  n = g(W_n x + b_n);  h' = (1 - z) h + z n

    Source: Feng et al. 2024, arXiv 2410.01201, section 3.1; g: appendix B.

    When to use: an encoder of long sources, where the loop over steps dominates the time. The gate does not depend on
    h, so use two or three layers. It does not speed up a decoder that runs step by step.

    The state is h. Rows of the stacked weights are z, n. Our z is the weight of the new value, in `gru` of the old h.

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h.
        candidate: the function g: positive, with which the paper trains, or linear.
        initialization: glorot, glorot_by_gate, or uniform (PyTorch's).
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Size,
        candidate: Candidate = "positive",
        initialization: Initialization = "glorot",
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.candidate: Candidate = candidate
        add_input_parameters(self, input_size, hidden_size, 2, initialization)

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tensor]:
        """See `Cell.start`."""
        return (), like.new_zeros(batch_size, self.output_size)

    def step(self, x: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step`."""
        z, n = self._gates(x)
        h = interpolate(state, n, z)
        return h, h

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step_masked`; no weights read h."""
        return self.step(x, fixed, state)

    def gates(self, x: Tensor, fixed: Tree, state: Tensor) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        return {"update": self._gates(x)[0]}

    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.unroll`. One scan; at padding z is 0."""
        if not x.shape[1]:
            return x.new_zeros(x.shape[0], 0, self.output_size), state
        padding = ~mask[:, :, None]
        z, n = (part.masked_fill(padding, 0) for part in self._gates(x))
        outputs = linear_scan(1 - z, z * n, state)
        return outputs.masked_fill(padding, 0), outputs[:, -1]

    def _gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(z, n)`."""
        z, n = F.linear(x, self.weight_ih, self.bias_ih).chunk(2, -1)
        return z.sigmoid(), candidate_value(n, self.candidate)


def candidate_value(v: Tensor, candidate: Candidate) -> Tensor:
    """g(v), of the shape of `v`."""
    return v if candidate == "linear" else torch.where(v >= 0, v + 0.5, v.sigmoid())
