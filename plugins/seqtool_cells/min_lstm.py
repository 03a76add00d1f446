"""The minimal LSTM, all steps at once. Feng et al. 2024, arXiv 2410.01201."""

from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree
from seqtool_cells.initialization import Initialization, add_input_parameters
from seqtool_cells.linear_scan import linear_scan
from seqtool_cells.min_gru import Candidate, new_value
from seqtool_cells.mixing import mixed


class MinLSTM(Cell):
    """An LSTM of one state whose gates look at the input alone, so that all steps of a known input are one scan.

    Equation:
        i, f = sigma(W x + b), each its own;  n = g(W_n x + b_n)
        h' = f/(f + i) h + i/(f + i) n

    Source: Feng et al. 2024, arXiv 2410.01201, section 3.2; g: appendix B.

    When to use: as `min_gru`, which is smaller and to be tried first. This one's forget bias lets it start by
    remembering, and its two gates together decide how much of h is given up for the new.

    The state is h. Rows of the stacked weights are i, f, n.

    Args:
        input_size: I, the width of x.
        hidden_size: H, the width of h.
        candidate: what g is: positive as the paper trains it, or linear.
        initialization: glorot, glorot_by_gate, or uniform (torch's).
        forget_bias: where the forget gate's bias starts; ignored by "uniform".
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
        share, n = self._gates(x)
        h = mixed(state, n, share)
        return h, h

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step_masked`; no weight reads h."""
        return self.step(x, fixed, state)

    def gates(self, x: Tensor, fixed: Tree, state: Tensor) -> dict[str, Tensor]:
        """See `Cell.gates`; as they count, the two sharing one whole."""
        share, _ = self._gates(x)
        return {"input": share, "forget": 1 - share}

    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.unroll`. One scan; padding writes nothing and forgets nothing."""
        if not x.shape[1]:
            return x.new_zeros(x.shape[0], 0, self.output_size), state
        padding = ~mask[:, :, None]
        share, n = (part.masked_fill(padding, 0) for part in self._gates(x))
        outputs = linear_scan(1 - share, share * n, state)
        return outputs.masked_fill(padding, 0), outputs[:, -1]

    def _gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(i / (f + i), n)`, by logarithms: both gates may be too small for a quotient."""
        i, f, n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, -1)
        share = (F.logsigmoid(i) - F.logsigmoid(f)).sigmoid()
        return share, new_value(n, self.candidate)
