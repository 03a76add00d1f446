"""The reverse task."""

from torch import Tensor

from seqtool_tasks.reordering import ReadingTask


class Reverse(ReadingTask):
    """The target is the source backwards.

    Equation:
        y_i = x_{n+1-i},  n the source's own length

    Source: Grefenstette et al. 2015, arXiv 1506.02516, section 4.1.

    When to use: to see whether attention can run backwards: mechanisms that only move forward fail.
    """

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """See `ReadingTask.order`."""
        return (length[:, None] - 1 - position).clamp(min=0)
