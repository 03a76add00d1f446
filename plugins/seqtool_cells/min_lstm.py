"""The minimal LSTM, computed by a parallel scan. Feng et al. 2024, arXiv 2410.01201."""

from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree
from seqtool_cells.initialization import Initialization, add_input_parameters
from seqtool_cells.interpolate import interpolate
from seqtool_cells.linear_scan import linear_scan
from seqtool_cells.min_gru import Candidate, candidate_value


class MinLSTM(Cell):
    """An LSTM without c whose gates depend on the input alone, so that a parallel scan computes all steps.

    Equation:
        i, f = sigma(W x + b), separate weights each;  n = g(W_n x + b_n)
        h' = f/(f + i) h + i/(f + i) n

    Source: Feng et al. 2024, arXiv 2410.01201, section 3.2; g: appendix B.

    When to use: as `min_gru`, which is smaller: try that first. Here a forget bias sets how much of h is kept
    initially, and two gates determine the interpolation.

    The state is h. Rows of the stacked weights are i, f, n.

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h.
        candidate: the function g: positive, with which the paper trains, or linear.
        initialization: glorot, glorot_by_gate, or uniform (PyTorch's).
        forget_bias: the initial bias of the forget gate; ignored by "uniform".
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Size,
        candidate: Candidate = "positive",
        initialization: Initialization = "glorot",
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.candidate: Candidate = candidate
        add_input_parameters(self, input_size, hidden_size, 3, initialization)
        if initialization != "uniform":
            self.bias_ih.data[hidden_size : 2 * hidden_size] = forget_bias

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tensor]:
        """See `Cell.start`."""
        return (), like.new_zeros(batch_size, self.output_size)

    def step(self, x: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step`."""
        weight, n = self._gates(x)
        h = interpolate(state, n, weight)
        return h, h

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step_masked`; no weights read h."""
        return self.step(x, fixed, state)

    def gates(self, x: Tensor, fixed: Tree, state: Tensor) -> dict[str, Tensor]:
        """See `Cell.gates`; normalised, so they sum to one."""
        weight, _ = self._gates(x)
        return {"input": weight, "forget": 1 - weight}

    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.unroll`. One scan; at padding i is 0 and f is 1."""
        if not x.shape[1]:
            return x.new_zeros(x.shape[0], 0, self.output_size), state
        padding = ~mask[:, :, None]
        weight, n = (part.masked_fill(padding, 0) for part in self._gates(x))
        outputs = linear_scan(1 - weight, weight * n, state)
        return outputs.masked_fill(padding, 0), outputs[:, -1]

    def _gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(i / (f + i), n)`; in log space, since both gates may underflow."""
        i, f, n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, -1)
        weight = (F.logsigmoid(i) - F.logsigmoid(f)).sigmoid()
        return weight, candidate_value(n, self.candidate)
