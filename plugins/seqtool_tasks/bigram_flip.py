"""The bigram flipping task."""

from torch import Tensor

from seqtool_tasks.reordering import ReorderingTask


class BigramFlip(ReorderingTask):
    """The target is the source with the two symbols of each pair swapped.

    Equation:
        x = a_1 b_1 a_2 b_2 ... a_n b_n,   y = b_1 a_1 b_2 a_2 ... b_n a_n

    Source: Grefenstette et al. 2015, arXiv 1506.02516, section 4.1; sources of 8 to 64 symbols in training and of
    65 to 128 in the test.

    When to use: to test attention that moves forward with one step back in each pair.

    Args:
        length: the number of symbols of a source; an odd number is lowered by one.
        min_length: sources have this many to `length` symbols, uniform over even lengths, and are padded; null: always
            `length`.

    Raises:
        PartError: no even length is between minimum and maximum, or `test_min_length` is set without `test_length`.
    """

    unit = 2

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """See `ReorderingTask.order`."""
        return (position ^ 1).expand(len(length), -1)
