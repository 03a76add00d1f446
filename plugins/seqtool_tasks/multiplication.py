"""The multiplication problem."""

from torch import Tensor

from seqtool.api import Size
from seqtool_tasks.marked_values import MarkedTask


class Multiplication(MarkedTask):
    """Two values of a long source are marked; the target is their product.

    Equation:
        x_j = (v_j, m_j),  v_j uniform over 0 .. 1;  m_j = 1 at two places a and b, -1 at both ends, else 0
        y = v_a v_b

    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), section 5.5, as Raffel & Ellis 2015, arXiv
    1512.08756, section 3, have it: a is one of the places 2 to 10, b another one before the middle; right is what is
    wrong by less than 0.04. No source place is the gold alignment, since two are.

    When to use: as `adding`, where what is remembered is to be put together by more than a sum.

    Args:
        length: sources have this many places up to a tenth more, uniformly, and are padded.

    Raises:
        PartError: too short for the markers.
    """

    def __init__(self, *, length: Size) -> None:
        super().__init__(length)

    def answer(self, first: Tensor, second: Tensor) -> Tensor:
        """See `MarkedTask.answer`."""
        return first * second
