"""Addition of two numbers, written in digits."""

import torch
from torch import Tensor

from seqtool.api import Batch, PartError, Size, Vocabulary
from seqtool_tasks.characters import CharacterTask
from seqtool_tasks.symbols import Ending, concatenate, draw_lengths

PLUS = 10
MAX_DIGITS = 18
"""The sum of two numbers with this many digits fits in 64 bits."""


class Addition(CharacterTask):
    """The source is `a+b` in decimal digits, the target their sum.

    Equation:
        x = digits(a) + digits(b),   y = digits(a + b)

    Source: Zaremba & Sutskever 2014, arXiv 1410.4615, the addition task.

    When to use: for targets that are computed, not copied. Carries propagate from right to left, against the order of
    output, except with `reverse_target`. A digit depends on several source positions, so there is no gold alignment.

    Args:
        digits: the largest number of digits, at most 18.
        min_digits: each number has this many to `digits` digits, uniformly, and is uniform over such numbers.
        reverse_target: output the last digit of the sum first.
        ending: "eos" appends an end symbol to each sum; with "fixed", the decoder is given the length of the sum.

    Raises:
        PartError: more than 18 digits, or `min_digits` exceeds `digits`.
    """

    def __init__(
        self, *, digits: Size = 3, min_digits: Size = 1, reverse_target: bool = False, ending: Ending = "eos"
    ) -> None:
        if digits > MAX_DIGITS:
            raise PartError(f"{digits} digits are too many", option="digits", allowed=f"at most {MAX_DIGITS}")
        if min_digits > digits:
            raise PartError(f"min_digits {min_digits} exceeds digits {digits}", option="min_digits")
        self.digits, self.min_digits, self.reverse_target = digits, min_digits, reverse_target
        digit_ids = tuple("0123456789")
        self.source_vocabulary = Vocabulary((*digit_ids, "+"))
        closing = ("</s>",) if ending == "eos" else ()
        self.target_vocabulary = Vocabulary(
            (*digit_ids, *closing, "<s>"), start=10 + len(closing), end=10 if closing else None
        )
        self.ending = ending
        self.max_target_length = digits + 1 + len(closing)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""
        first, second = self._number(batch_size, generator), self._number(batch_size, generator)
        source, source_mask = concatenate(
            _digits_of(first, self.digits), _symbol(PLUS, first), _digits_of(second, self.digits)
        )
        digit_ids, real = _digits_of(first + second, self.digits + 1)
        if self.reverse_target:
            digit_ids, real = digit_ids.flip(1), real.flip(1)
        end = self.target_vocabulary.end
        closing = [] if end is None else [_symbol(end, first)]
        target, target_mask = concatenate((digit_ids, real), *closing)
        return Batch(source, source_mask, target, target_mask, torch.full_like(target, -1))

    def _number(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """`[B]` numbers: uniform numbers of digits, and uniform among the numbers with so many digits."""
        count = draw_lengths(self.min_digits, self.digits, batch_size, generator)
        digit_ids = torch.randint(10, (batch_size, self.digits), generator=generator, device=count.device)
        leading = torch.randint(1, 10, (batch_size,), generator=generator, device=count.device)
        place_value = torch.arange(self.digits, device=count.device)
        digit_ids = digit_ids.masked_fill(place_value >= count[:, None], 0)
        digit_ids = torch.where((place_value == count[:, None] - 1) & (count[:, None] > 1), leading[:, None], digit_ids)
        return (digit_ids * 10**place_value).sum(1)


def _digits_of(number: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """`[B, width]` digits with leading zeros, and the mask of the digits without them."""
    power = 10 ** torch.arange(width - 1, -1, -1, device=number.device)
    digit_ids = number[:, None] // power % 10
    return digit_ids, (number[:, None] >= power) | (power == 1)


def _symbol(symbol: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """A column `[B, 1]` of one symbol, and its mask."""
    return like.new_full((len(like), 1), symbol), torch.ones(len(like), 1, dtype=torch.bool, device=like.device)
