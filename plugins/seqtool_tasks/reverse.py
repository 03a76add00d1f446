"""The reverse task."""

from torch import Tensor

from seqtool_tasks.reordering import ReorderingTask


class Reverse(ReorderingTask):
    """The target is the source in reverse order.

    Equation:
        y_i = x_{n+1-i},  n: the length of the source

    Source: Grefenstette et al. 2015, arXiv 1506.02516, section 4.1.

    When to use: to test attention that moves backwards; monotonic mechanisms fail.
    """

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """See `ReorderingTask.order`."""
        return (length[:, None] - 1 - position).clamp(min=0)
