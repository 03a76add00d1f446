"""The two sides of a row: how its texts become tokens."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seqtool.api import SeqtoolError
from seqtool_text.subwords import Subwords
from seqtool_text.tables import Row
from seqtool_text.tokens import Tokenizer

NAMES = ("source", "target")


@dataclass(frozen=True)
class Sides:
    """What a row is taken apart by. `separator` parts the features of a column; `limits`: the most tokens of a side."""

    source: Tokenizer | Subwords
    target: Tokenizer | Subwords
    separator: str
    limits: tuple[int | None, int | None]

    def symbols(self, fields: Sequence[str]) -> list[str]:
        """The symbols of a source, after those of its features. Raises: ValueError: it holds what no token can."""
        tokens = self.source.split(fields[0])
        for field in fields[:0:-1]:
            parts = [f"+{part.strip()}" for part in field.split(self.separator) if part.strip()]
            tokens[:0] = parts
        return tokens

    def typed(self, text: str, columns: int) -> list[str]:
        """The symbols of a source as it is typed: its features follow it, each column after a tab.

        Raises:
            SeqtoolError: it has other than `columns` of them, or cannot be a source.
        """
        fields = text.split("\t")
        if len(fields) != columns:
            raise SeqtoolError(f"a source and its features are {columns} texts parted by tabs; got {len(fields)}")
        try:
            return self.symbols(fields)
        except ValueError as error:
            raise SeqtoolError(f"{text!r} cannot be a source: {error}") from error

    def typed_target(self, text: str) -> list[str]:
        """The symbols of a target as it is typed. Raises: SeqtoolError: it cannot be one."""
        try:
            return self.target.split(text)
        except ValueError as error:
            raise SeqtoolError(f"{text!r} cannot be a target: {error}") from error

    def split(self, values: Sequence[str]) -> tuple[list[str], list[str]]:
        """The tokens of both sides of a row. Raises: see `symbols`."""
        return self.symbols([values[0], *values[2:]]), self.target.split(values[1])

    def learn(self, rows: Callable[[], Iterable[Row]], is_trained: Callable[[str], bool]) -> None:
        """Learn the subwords of each side that has any from the rows to train on, by their sources."""
        for place, tokens in enumerate((self.source, self.target)):
            if isinstance(tokens, Subwords):
                whole = (values for _, values, fault in rows() if not fault)
                tokens.learn(values[place] for values in whole if is_trained(values[0]))

    def state(self) -> dict[str, Any]:
        """What was learnt, by side; plain JSON."""
        pairs = zip(NAMES, (self.source, self.target), strict=True)
        return {name: tokens.state() for name, tokens in pairs if isinstance(tokens, Subwords)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave. Raises: KeyError: it lacks a side."""
        for name, tokens in zip(NAMES, (self.source, self.target), strict=True):
            if isinstance(tokens, Subwords):
                tokens.restore(state[name])
