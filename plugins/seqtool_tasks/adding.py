"""The adding problem."""

from torch import Tensor

from seqtool.api import Size
from seqtool_tasks.marked_values import MarkedTask


class Adding(MarkedTask):
    """Two values of a long source are marked; the target is what they add up to, scaled to 0 .. 1.

    Equation:
        x_j = (v_j, m_j),  v_j uniform over -1 .. 1;  m_j = 1 at two places a and b, -1 at both ends, else 0
        y = 0.5 + (v_a + v_b) / 4

    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), section 5.4, as Raffel & Ellis 2015, arXiv
    1512.08756, section 3, have it: a is one of the places 2 to 10, b another one before the middle; right is what is
    wrong by less than 0.04. No source place is the gold alignment, since two are.

    When to use: to see whether a model remembers over a long distance: feed-forward attention need not.

    Args:
        length: sources have this many places up to a tenth more, uniformly, and are padded.

    Raises:
        PartError: too short for the markers.
    """

    low = -1.0

    def __init__(self, *, length: Size) -> None:
        super().__init__(length)

    def answer(self, first: Tensor, second: Tensor) -> Tensor:
        """See `MarkedTask.answer`."""
        return 0.5 + (first + second) / 4
