"""The sorting task."""

from torch import Tensor

from seqtool_tasks.reordering import ReorderingTask


class Sort(ReorderingTask):
    """The target is the symbols of the source in the order of the vocabulary.

    Equation:
        y_i = x_{p_i},  p: a permutation with y_1 <= y_2 <= ... <= y_n; equal symbols keep their order

    Source: Vinyals et al. 2016, arXiv 1511.06391, which sorts numbers; Graves et al. 2014, arXiv 1410.5401,
    section 4.5, which sorts vectors by a priority.

    When to use: to test attention by content over the whole source; no fixed order of positions suffices.
    """

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """See `ReorderingTask.order`."""
        last = source.masked_fill(position >= length[:, None], self.symbols)
        return last.argsort(dim=1, stable=True)
