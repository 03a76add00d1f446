"""The two sides of a row: from texts to tokens."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seqtool.api import SeqtoolError
from seqtool_text.subwords import Subwords
from seqtool_text.tables import Row
from seqtool_text.tokenizer import Tokenizer, normalize

NAMES = ("source", "target")
END = "</s>"


@dataclass(frozen=True)
class Sides:
    """The tokenizers of both sides.

    `separator`: between the features of a column. `limits`: the most tokens. `source_end`: whether sources end with
    </s>.
    """

    source: Tokenizer | Subwords
    target: Tokenizer | Subwords
    separator: str
    limits: tuple[int | None, int | None]
    source_end: bool

    def symbols(self, fields: Sequence[str]) -> list[str]:
        """The symbols of a source, preceded by those of its features.

        Raises:
            ValueError: the text contains characters that are not allowed.
        """
        tokens = self.source.split(fields[0])
        for field in fields[:0:-1]:
            parts = normalize(field, self.source.form, lowercase=False).split(self.separator)
            parts = [f"+{part.strip()}" for part in parts if part.strip()]
            tokens[:0] = parts
        return tokens

    def parse_source(self, text: str, columns: int) -> list[str]:
        """The symbols of a typed source, followed by its feature columns, each after a tab.

        Raises:
            SeqtoolError: the number of `columns` is wrong, or the text is not valid.
        """
        fields = text.split("\t")
        if len(fields) != columns:
            raise SeqtoolError(f"a source and its features are {columns} texts separated by tabs; got {len(fields)}")
        try:
            return self.ended(self.symbols(fields))
        except ValueError as error:
            raise SeqtoolError(f"{text!r} is not a valid source: {error}") from error

    def ended(self, source: list[str]) -> list[str]:
        """The symbols of a source, with the end symbol if sources have one."""
        return [*source, END] if self.source_end else source

    def parse_target(self, text: str) -> list[str]:
        """The symbols of a typed target.

        Raises:
            SeqtoolError: the text is not valid.
        """
        try:
            return self.target.split(text)
        except ValueError as error:
            raise SeqtoolError(f"{text!r} is not a valid target: {error}") from error

    def split(self, values: Sequence[str]) -> tuple[list[str], list[str]]:
        """The tokens of both sides of a row.

        Raises:
            ValueError: see `symbols`.
        """
        return self.symbols([values[0], *values[2:]]), self.target.split(values[1])

    def learn(self, rows: Callable[[], Iterable[Row]], is_trained: Callable[[str], bool]) -> None:
        """Learn subwords from the training rows; `is_trained` receives their normalized sources."""
        for place, tokens in enumerate((self.source, self.target)):
            if isinstance(tokens, Subwords):
                valid = (values for _, values, fault in rows() if not fault)
                tokens.learn(values[place] for values in valid if self._is_trained(values[0], is_trained))

    def _is_trained(self, source: str, is_trained: Callable[[str], bool]) -> bool:
        try:
            return is_trained(self.source.normalize(source))
        except ValueError:  # a bad row
            return False

    def state(self) -> dict[str, Any]:
        """The learned subwords of each side, as plain JSON."""
        pairs = zip(NAMES, (self.source, self.target), strict=True)
        return {name: tokens.state() for name, tokens in pairs if isinstance(tokens, Subwords)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned.

        Raises:
            KeyError: a side is missing.
        """
        for name, tokens in zip(NAMES, (self.source, self.target), strict=True):
            if isinstance(tokens, Subwords):
                tokens.restore(state[name])
