"""What stands on one side of a task: symbols, by their ids, or continuous values."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from seqtool.errors import PartError, SeqtoolError

Modality = Literal["symbols", "continuous"]
"""What stands at a position: an id, or a vector of numbers."""


@dataclass(frozen=True)
class Vocabulary:
    """The symbols of one side. An id is an index into `symbols`.

    `blank`: the id that stands for nothing (an empty slot); one-hot embeds it as the zero vector.
    `start`: the id that opens a target; it is fed, never predicted, so it stands last.
    `end`: the id that closes a target, where the task's ending is "eos".
    `unknown`: the id of whatever has none of its own.
    """

    symbols: tuple[str, ...]
    blank: int | None = None
    start: int | None = None
    end: int | None = None
    unknown: int | None = None

    def __post_init__(self) -> None:
        if len(set(self.symbols)) != len(self.symbols):
            raise PartError("a vocabulary's symbols must differ from one another")
        if self.start is not None and self.start != len(self.symbols) - 1:
            raise PartError("the start symbol must be the last of its vocabulary: it is fed, never predicted")

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def modality(self) -> Modality:
        """What stands at a position of this side."""
        return "symbols"

    @property
    def num_outputs(self) -> int:
        """How many ids may be predicted: all but `start`."""
        return len(self.symbols) - (self.start is not None)

    @property
    def empty(self) -> frozenset[int]:
        """The ids that carry no content: `blank` and `start`."""
        return frozenset(i for i in (self.blank, self.start) if i is not None)

    def find(self, symbol: str) -> int | None:
        """The id of a symbol, `unknown` for one that is not among them."""
        return self._ids.get(symbol, self.unknown)

    def names(self, row: Sequence[Any]) -> tuple[str, ...]:
        """How what stands in a row is written, position by position."""
        return tuple(self.symbols[i] for i in row)

    def copied_as(self, target: "Vocabulary") -> tuple[int, ...]:
        """For each id, the id of the equal symbol among those that may be predicted in `target`, -1 where none is."""
        ids = {symbol: i for i, symbol in enumerate(target.symbols[: target.num_outputs])}
        never = (self.blank, self.unknown)
        return tuple(-1 if i in never else ids.get(symbol, -1) for i, symbol in enumerate(self.symbols))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols)}


@dataclass(frozen=True, init=False)
class Continuous(Vocabulary):
    """A side of continuous values: `size` numbers at each position, and no symbols.

    A continuous source is `[B, S, size]`, a target `[B, T, size]`, both float32. Zeros open a target.
    """

    size: int = 1

    def __init__(self, size: int) -> None:
        super().__init__(())
        if size < 1:
            raise PartError(f"{size} values at a position are none")
        object.__setattr__(self, "size", size)

    @property
    def modality(self) -> Modality:
        """See `Vocabulary.modality`."""
        return "continuous"

    @property
    def num_outputs(self) -> int:
        """How many numbers are predicted at a position."""
        return self.size

    def names(self, row: Sequence[Any]) -> tuple[str, ...]:
        """See `Vocabulary.names`: the numbers of a position with commas between them."""
        return tuple(",".join(f"{value:.6g}" for value in vector) for vector in row)

    def parse(self, text: str) -> tuple[float, ...]:
        """The numbers of one position, which stand with commas between them.

        Raises:
            SeqtoolError: they are not `size` finite numbers.
        """
        try:
            vector = tuple(float(value) for value in text.split(","))
        except ValueError as error:
            raise SeqtoolError(f"{error}: a position of the source is {self._wanted()}") from error
        if len(vector) != self.size or any(abs(value) == float("inf") or value != value for value in vector):
            raise SeqtoolError(f"{text!r} is no position of the source: that is {self._wanted()}")
        return vector

    def _wanted(self) -> str:
        commas = ", with commas between them, such as " if self.size > 1 else ", such as "
        return f"{self.size} finite number{'s' * (self.size > 1)}{commas}{','.join(['0.25', *['1'] * (self.size - 1)])}"
