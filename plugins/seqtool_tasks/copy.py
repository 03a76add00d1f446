"""The copy task."""

from torch import Tensor

from seqtool_tasks.reordering import ReadingTask


class Copy(ReadingTask):
    """The target is the source.

    Equation:
        y_i = x_i

    Source: Graves et al. 2014, arXiv 1410.5401, section 4.1; Grefenstette et al. 2015, arXiv 1506.02516, section 4.1.

    When to use: the simplest check that a model can carry symbols over.
    """

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """See `ReadingTask.order`."""
        return position.expand(len(length), -1)
