"""The bigram flipping task."""

from torch import Tensor

from seqtool_tasks.reordering import ReadingTask


class BigramFlip(ReadingTask):
    """The target is the source with the two symbols of each pair exchanged.

    Equation:
        x = a_1 b_1 a_2 b_2 ... a_n b_n,   y = b_1 a_1 b_2 a_2 ... b_n a_n

    Source: Grefenstette et al. 2015, arXiv 1506.02516, section 4.1; sources of 8 to 64 symbols in training, of 65 to
    128 in its test.

    When to use: to see whether attention can go forward with a step back in every pair; copy with a local twist.

    Args:
        length: symbols of a source; sources have even lengths, so an odd one is lowered by one.
        min_length: sources are this long to `length`, any even length as likely, and padded; null for all `length`.

    Raises:
        PartError: no even length between least and largest; a test_min_length without a test_length.
    """

    unit = 2

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """See `ReadingTask.order`."""
        return (position ^ 1).expand(len(length), -1)
