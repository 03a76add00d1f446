"""What ids mean: the symbols of one side of a task."""

from dataclasses import dataclass
from functools import cached_property

from seqtool.errors import PartError


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

    def copied_as(self, target: "Vocabulary") -> tuple[int, ...]:
        """For each id, the id of the equal symbol among those that may be predicted in `target`, -1 where none is."""
        ids = {symbol: i for i, symbol in enumerate(target.symbols[: target.num_outputs])}
        never = (self.blank, self.unknown)
        return tuple(-1 if i in never else ids.get(symbol, -1) for i, symbol in enumerate(self.symbols))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols)}
