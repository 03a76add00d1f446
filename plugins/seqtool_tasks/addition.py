"""Addition of two numbers, written in digits."""

import torch
from torch import Tensor

from seqtool.api import Batch, PartError, Size, Vocabulary
from seqtool_tasks.characters import CharacterTask
from seqtool_tasks.symbols import Ending, draw_lengths, join

PLUS = 10
MOST = 18
"""A sum of two numbers of so many digits fits into 64 bits."""


class Addition(CharacterTask):
    """The source is `a+b` in decimal digits, the target their sum.

    Equation:
        x = digits(a) + digits(b),   y = digits(a + b)

    Source: Zaremba & Sutskever 2014, arXiv 1410.4615, the addition task.

    When to use: a task of characters whose targets are computed, not copied; carries run against the order of writing,
    and `reverse_target` takes that away. No target digit comes from one place, so there is no gold alignment.

    Args:
        digits: the most digits of a number, at most 18.
        min_digits: each number has this many to `digits` digits, uniformly, and then any value with so many.
        reverse_target: write the sum from its last digit to its first.
        ending: "eos" closes each sum with an end symbol; sums differ in length, so "fixed" tells it beforehand.

    Raises:
        PartError: more than 18 digits; min_digits above digits.
    """

    def __init__(
        self, *, digits: Size = 3, min_digits: Size = 1, reverse_target: bool = False, ending: Ending = "eos"
    ) -> None:
        if digits > MOST:
            raise PartError(f"{digits} digits are too many", option="digits", allowed=f"at most {MOST}")
        if min_digits > digits:
            raise PartError(f"min_digits {min_digits} exceeds digits {digits}", option="min_digits")
        self.digits, self.min_digits, self.reverse_target = digits, min_digits, reverse_target
        figures = tuple("0123456789")
        self.source_vocabulary = Vocabulary((*figures, "+"))
        closing = ("</s>",) if ending == "eos" else ()
        self.target_vocabulary = Vocabulary(
            (*figures, *closing, "<s>"), start=10 + len(closing), end=10 if closing else None
        )
        self.ending = ending
        self.max_target_length = digits + 1 + len(closing)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""
        first, second = self._number(batch_size, generator), self._number(batch_size, generator)
        source, source_mask = join(_written(first, self.digits), _symbol(PLUS, first), _written(second, self.digits))
        figures, real = _written(first + second, self.digits + 1)
        if self.reverse_target:
            figures, real = figures.flip(1), real.flip(1)
        end = self.target_vocabulary.end
        closing = [] if end is None else [_symbol(end, first)]
        target, target_mask = join((figures, real), *closing)
        return Batch(source, source_mask, target, target_mask, torch.full_like(target, -1))

    def _number(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """`[B]` numbers, uniform over those with as many digits as were drawn."""
        count = draw_lengths(self.min_digits, self.digits, batch_size, generator)
        figures = torch.randint(10, (batch_size, self.digits), generator=generator, device=count.device)
        leading = torch.randint(1, 10, (batch_size,), generator=generator, device=count.device)
        place = torch.arange(self.digits, device=count.device)
        figures = figures.masked_fill(place >= count[:, None], 0)
        figures = torch.where((place == count[:, None] - 1) & (count[:, None] > 1), leading[:, None], figures)
        return (figures * 10**place).sum(1)


def _written(number: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """`[B, width]` digits with zeros before them, and where the number's own digits stand."""
    power = 10 ** torch.arange(width - 1, -1, -1, device=number.device)
    figures = number[:, None] // power % 10
    return figures, (number[:, None] >= power) | (power == 1)


def _symbol(symbol: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """The symbol in each row, and that it is real."""
    return like.new_full((len(like), 1), symbol), torch.ones(len(like), 1, dtype=torch.bool, device=like.device)
