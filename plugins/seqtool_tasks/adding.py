"""The adding problem."""

from torch import Tensor

from seqtool.api import Size
from seqtool_tasks.marked_values import MarkedValuesTask


class Adding(MarkedValuesTask):
    """Two values of a long source are marked; the target is their sum, scaled to 0 .. 1.

    Equation:
        x_j = (v_j, m_j),  v_j uniform over -1 .. 1;  m_j = 1 at two positions a and b, -1 at both ends, else 0
        y = 0.5 + (v_a + v_b) / 4

    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), section 5.4, as in Raffel & Ellis 2015, arXiv
    1512.08756, section 3: a is one of the positions 2 to 10, b another position before the middle; an answer is correct
    if its error is less than 0.04. The target depends on two source positions, so there is no gold alignment.

    When to use: to test memory over long distances; feed-forward attention needs none.

    Args:
        length: sources have this many positions or up to a tenth more, uniformly, and are padded.

    Raises:
        PartError: `length` is too small for the markers.
    """

    low = -1.0

    def __init__(self, *, length: Size) -> None:
        super().__init__(length)

    def target_value(self, first: Tensor, second: Tensor) -> Tensor:
        """See `MarkedValuesTask.target_value`."""
        return 0.5 + (first + second) / 4
