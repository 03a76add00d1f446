"""Vocabularies of the source and target side of a task: symbols with ids, or continuous values."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from seqtool.errors import PartError, SeqtoolError

Modality = Literal["symbols", "continuous"]
"""The content of a position: a symbol id, or a vector of numbers."""


@dataclass(frozen=True)
class Vocabulary:
    """The symbols of one side. An id is an index into `symbols`.

    `blank`: the id of an empty slot; the one-hot embedding maps it to the zero vector.
    `start`: the id of the start symbol, the last id; it is an input, never predicted.
    `end`: the id of the end symbol, if the task's ending is "eos".
    `unknown`: the id of symbols that are not in the vocabulary.
    """

    symbols: tuple[str, ...]
    blank: int | None = None
    start: int | None = None
    end: int | None = None
    unknown: int | None = None

    def __post_init__(self) -> None:
        if len(set(self.symbols)) != len(self.symbols):
            raise PartError("the symbols of a vocabulary must be unique")
        if self.start is not None and self.start != len(self.symbols) - 1:
            raise PartError("the start symbol must be the last of its vocabulary: it is never predicted")

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def modality(self) -> Modality:
        """Whether positions of this side are symbols or continuous."""
        return "symbols"

    @property
    def num_outputs(self) -> int:
        """The number of ids that can be predicted: all but `start`."""
        return len(self.symbols) - (self.start is not None)

    @property
    def empty(self) -> frozenset[int]:
        """The ids without content: `blank` and `start`."""
        return frozenset(i for i in (self.blank, self.start) if i is not None)

    def find(self, symbol: str) -> int | None:
        """The id of a symbol, or `unknown` if it is not in the vocabulary."""
        return self._ids.get(symbol, self.unknown)

    def names(self, row: Sequence[Any]) -> tuple[str, ...]:
        """The text of each position of a row of ids."""
        return tuple(self.symbols[i] for i in row)

    def copied_as(self, target: "Vocabulary") -> tuple[int, ...]:
        """For each id, the id of the equal symbol of `target` if that can be predicted, otherwise -1."""
        ids = {symbol: i for i, symbol in enumerate(target.symbols[: target.num_outputs])}
        never = (self.blank, self.unknown)
        return tuple(-1 if i in never else ids.get(symbol, -1) for i, symbol in enumerate(self.symbols))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols)}


@dataclass(frozen=True, init=False)
class Continuous(Vocabulary):
    """A side of continuous values: a vector of `size` numbers at each position, and no symbols.

    A continuous source is `[B, S, size]`, a target `[B, T, size]`, both float32. The first input of a target is zeros.
    """

    size: int = 1

    def __init__(self, size: int) -> None:
        super().__init__(())
        if size < 1:
            raise PartError(f"the number of values at a position must be at least 1, got {size}")
        object.__setattr__(self, "size", size)

    @property
    def modality(self) -> Modality:
        """See `Vocabulary.modality`."""
        return "continuous"

    @property
    def num_outputs(self) -> int:
        """The number of values that are predicted at a position."""
        return self.size

    def names(self, row: Sequence[Any]) -> tuple[str, ...]:
        """See `Vocabulary.names`: the comma-separated numbers of each position."""
        return tuple(",".join(f"{value:.6g}" for value in vector) for vector in row)

    def parse(self, text: str) -> tuple[float, ...]:
        """Parse the comma-separated numbers of one position.

        Raises:
            SeqtoolError: the text is not a list of `size` finite numbers.
        """
        try:
            vector = tuple(float(value) for value in text.split(","))
        except ValueError as error:
            raise SeqtoolError(f"{error}: a source position must be {self._expected()}") from error
        if len(vector) != self.size or any(abs(value) == float("inf") or value != value for value in vector):
            raise SeqtoolError(f"{text!r} is not a valid source position: it must be {self._expected()}")
        return vector

    def _expected(self) -> str:
        numbers = f"{self.size} comma-separated finite numbers" if self.size > 1 else "1 finite number"
        return f"{numbers}, such as {','.join(['0.25', *['1'] * (self.size - 1)])}"
