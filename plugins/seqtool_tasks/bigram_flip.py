"""The bigram flipping task."""

from torch import Tensor

from seqtool.api import PartError, Size
from seqtool_tasks.reading import ReadingTask
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
        ending: "fixed", or "eos" to close each target with an end symbol.

    Raises:
        PartError: no even length between the two.
    """

    unit = 2

    def __init__(
        self, *, length: Size, symbols: Size = 8, min_length: Size | None = None, ending: Ending = "fixed"
    ) -> None:
        even = length - length % 2
        least = even if min_length is None else min_length + min_length % 2
        if not 2 <= least <= even:
            option = "length" if even < 2 else "min_length"
            raise PartError(f"no even length is between {min_length or length} and {length}", option=option)
        super().__init__(even, symbols, least, ending)

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """See `ReadingTask.order`."""
        return (position ^ 1).expand(len(length), -1)
