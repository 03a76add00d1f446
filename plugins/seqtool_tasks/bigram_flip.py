"""The bigram flipping task."""

from torch import Tensor

from seqtool.api import Size
from seqtool_tasks.reordering import ReadingTask
from seqtool_tasks.symbols import Ending


class BigramFlip(ReadingTask):
    """The target is the source with the two symbols of each pair exchanged.

    Equation:
        x = a_1 b_1 a_2 b_2 ... a_n b_n,   y = b_1 a_1 b_2 a_2 ... b_n a_n

    Source: Grefenstette et al. 2015, arXiv 1506.02516, section 4.1; sources of 8 to 64 symbols in training, of 65 to
    128 in its test.

    When to use: to see whether attention can go forward with a step back in every pair; copy with a local twist.

    Args:
        length: symbols of a source; sources have even lengths, so an odd one is lowered by one.
        symbols: how many different symbols there are.
        min_length: sources are this long to `length`, any even length as likely, and padded; null for all `length`.
        test_length: the test's sources have up to so many symbols, to ask for more than was trained; null for no other.
        test_min_length: they have this many to `test_length`; null for all `test_length`.
        ending: "fixed", or "eos" to close each target with an end symbol.

    Raises:
        PartError: no even length between least and largest; a test_min_length without a test_length.
    """

    unit = 2

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
        return (position ^ 1).expand(len(length), -1)
