"""The minimal gated recurrent unit, all steps at once. Feng et al. 2024, arXiv 2410.01201."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree
from seqtool_cells.initialization import Initialization, add_input_parameters
from seqtool_cells.linear_scan import linear_scan
from seqtool_cells.mixing import mixed

Candidate = Literal["positive", "linear"]
"""positive: g(v) = v + 1/2 where v >= 0, sigma(v) where not (appendix B). linear: v itself (section 3)."""


class MinGRU(Cell):
    """A gated recurrent unit whose gate looks at the input alone, so that all steps of a known input are one scan.

    Equation:
        z = sigma(W_z x + b_z);  n = g(W_n x + b_n);  h' = (1 - z) h + z n

    Source: Feng et al. 2024, arXiv 2410.01201, section 3.1; g: appendix B.

    When to use: an encoder of long sources, where the loop over steps is what takes time. The gate does not know h, so
    one layer alone cannot choose by what it remembers: use two or three. A decoder that takes steps one by one gains no
    speed.

    The state is h. Rows of the stacked weights are z, n. Note that z takes the new, where the gru's keeps the old.

    Args:
        input_size: I, the width of x.
        hidden_size: H, the width of h.
        candidate: what g is: positive as the paper trains it, or linear.
        initialization: glorot, glorot_by_gate, or uniform (torch's).
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
        h = mixed(state, n, z)
        return h, h

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step_masked`; no weight reads h."""
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
        return z.sigmoid(), new_value(n, self.candidate)


def new_value(v: Tensor, candidate: Candidate) -> Tensor:
    """g, which is continuous: 1/2 at 0 from both sides."""
    return v if candidate == "linear" else torch.where(v >= 0, v + 0.5, v.sigmoid())
