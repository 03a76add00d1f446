"""The copy task."""

from torch import Tensor

from seqtool_tasks.reordering import ReorderingTask


class Copy(ReorderingTask):
    """The target is the source.

    Equation:
        y_i = x_i

    Source: Graves et al. 2014, arXiv 1410.5401, section 4.1; Grefenstette et al. 2015, arXiv 1506.02516, section 4.1.

    When to use: the simplest test that a model can copy symbols.
    """

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """See `ReorderingTask.order`."""
        return position.expand(len(length), -1)
