"""The sorting task."""

from torch import Tensor

from seqtool.api import Size
from seqtool_tasks.reordering import ReadingTask
from seqtool_tasks.symbols import Ending


class Sort(ReadingTask):
    """The target is the symbols of the source in the order of the vocabulary.

    Equation:
        y_i = x_{p_i},  p a permutation with y_1 <= y_2 <= ... <= y_n; equal symbols keep their order

    Source: Vinyals et al. 2016, arXiv 1511.06391, which sorts numbers; Graves et al. 2014, arXiv 1410.5401,
    section 4.5, which sorts vectors by a priority.

    When to use: to see whether a model can look at places by what stands there, all over the source: no order
    of reading that is fixed beforehand will do.

    Args:
        length: symbols of a source.
        symbols: how many different symbols there are.
        min_length: sources are this long to `length`, uniformly, and padded; null for all `length`.
        test_length: the test's sources have up to so many symbols, to ask for more than was trained; null for no other.
        test_min_length: they have this many to `test_length`; null for all `test_length`.
        ending: "fixed", or "eos" to close each target with an end symbol.

    Raises:
        PartError: a least length that exceeds its largest; a test_min_length without a test_length.
    """

    def __init__(
        self,
        *,
        length: Size,
        symbols: Size = 8,
        min_length: Size | None = None,
        test_length: Size | None = None,
        test_min_length: Size | None = None,
        ending: Ending = "fixed",
    ) -> None:
        super().__init__(length, symbols, min_length, ending, test_length, test_min_length)

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """See `ReadingTask.order`."""
        last = source.masked_fill(position >= length[:, None], self.symbols)
        return last.argsort(dim=1, stable=True)
