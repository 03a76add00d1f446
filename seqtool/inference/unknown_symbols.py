"""Reports the symbols of a source that training never saw."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from seqtool.errors import MisuseError, SeqtoolError
from seqtool.parts.task import Task

UnknownPolicy = Literal["warn", "error"]


@dataclass
class UnknownSymbols:
    """Warns of each unknown symbol once, where it first occurs, or raises an error.

    Attributes:
        warn: prints a warning.

    Raises:
        MisuseError: there is no such policy.
    """

    task: Task
    policy: UnknownPolicy
    warn: Callable[[str], object]
    reported: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.policy not in get_args(UnknownPolicy):
            raise MisuseError(f"no such policy for unknown symbols: {self.policy!r}", allowed=get_args(UnknownPolicy))

    def __call__(self, place: str, text: str, ids: tuple[Any, ...]) -> None:
        """Report the unknown symbols of a source, which stands at `place` and is encoded as `ids`.

        Raises:
            SeqtoolError: there are unknown symbols and the policy is "error".
        """
        symbols = unknown_symbols(self.task, text, ids)
        if symbols and self.policy == "error":
            raise SeqtoolError(_message(symbols))
        new = [symbol for symbol in symbols if symbol not in self.reported]
        if new:
            self.reported.update(new)
            self.warn(f"{place}: {_message(new)}; the model reads the unknown symbol instead")


def unknown_symbols(task: Task, text: str, ids: tuple[Any, ...]) -> list[str]:
    """The symbols of a source, encoded as `ids`, that are not in the vocabulary.

    If a task encodes sources without `source_symbols`, the text itself stands for its symbols.
    """
    unknown = task.source_vocabulary.unknown
    if unknown is None or unknown not in ids:
        return []
    symbols = task.source_symbols(text)
    if len(symbols) != len(ids):
        return [text]
    return list(dict.fromkeys(symbol for symbol, i in zip(symbols, ids, strict=True) if i == unknown))


def _message(symbols: list[str]) -> str:
    return f"training never saw {', '.join(map(repr, symbols))} in a source"
