"""The reverse task."""

from torch import Tensor

from seqtool.api import Size
from seqtool_tasks.reordering import ReadingTask
from seqtool_tasks.symbols import Ending


class Reverse(ReadingTask):
    """The target is the source backwards.

    Equation:
        y_i = x_{n+1-i},  n the source's own length

    Source: Grefenstette et al. 2015, arXiv 1506.02516, section 4.1.

    When to use: to see whether attention can run backwards: mechanisms that only move forward fail.

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
        return (length[:, None] - 1 - position).clamp(min=0)
