"""Groups of examples by length."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

GROUPS = 10
"""The largest number of groups."""


@dataclass(frozen=True)
class LengthGroups:
    """One group for each length, or, for more than `GROUPS` lengths, ranges of `width` lengths from `shortest` on."""

    shortest: int
    width: int

    @classmethod
    def of(cls, lengths: Iterable[int]) -> "LengthGroups":
        """The groups of lengths, of which there is at least one."""
        known = set(lengths)
        shortest, longest = min(known), max(known)
        return cls(shortest, 1 if len(known) <= GROUPS else -(-(longest - shortest + 1) // GROUPS))

    def number(self, length: Any) -> Any:
        """The group of a length, or of an array of lengths, from 0."""
        return (length - self.shortest) // self.width

    def middle(self, group: int) -> float:
        """The middle of a group's range."""
        return self.shortest + group * self.width + (self.width - 1) / 2
