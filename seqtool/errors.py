"""The errors that users see. A message states the problem, its location, what is allowed, and the nearest name."""

import contextlib
import difflib
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_SHOWN = 100


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: a location in a file, a `--set` flag, or a default.

    `line` and `column` count from 1; they are 0 for a flag or a default. `text` is the line of the file.
    """

    source: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True)
class Problem:
    """One problem of a recipe: the message, the path of the value (`model.decoder.cell`), and its location."""

    message: str
    path: tuple[str | int, ...] = ()
    origin: Origin | None = None
    allowed: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        where = f"{self.origin}: " if self.origin else ""
        path = f"{dotted(self.path)}: " if self.path else ""
        lines = [f"{where}{path}{self.message}"]
        if self.origin and self.origin.text:
            lines.append(f"    {self.origin.text}")
            lines.append("    " + " " * (self.origin.column - 1) + "^")
        if self.nearest:
            lines.append(f"    did you mean {self.nearest!r}?")
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        return "\n".join(lines)


class SeqtoolError(Exception):
    """An error that a user can fix. The command line prints it without a traceback."""

    exit_code = 1


class MisuseError(SeqtoolError):
    """Invalid command-line arguments, or invalid arguments of a function."""

    exit_code = 2

    def __init__(self, message: str, *, allowed: Iterable[str] = (), nearest: str = "") -> None:
        super().__init__(str(Problem(message, allowed=", ".join(allowed), nearest=nearest)))


class PluginError(SeqtoolError):
    """A plugin that is missing, broken, made for another API version, or in conflict with another."""


class PartError(SeqtoolError):
    """Raised by a part whose options, sizes or inputs do not fit together.

    `option` names the keyword-only parameter at fault, from which the location in the recipe is found.
    """

    def __init__(self, message: str, *, option: str = "", allowed: str = "") -> None:
        super().__init__(message)
        self.option = option
        self.allowed = allowed


class RecipeError(SeqtoolError):
    """All problems of a recipe."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{count} problems:\n" if count > 1 else ""
        more = f"\n... and {count - _SHOWN} more" if count > _SHOWN else ""
        return head + "\n".join(str(problem) for problem in self.problems[:_SHOWN]) + more


@contextlib.contextmanager
def refuse_exit(task: str) -> Iterator[None]:
    """Turn a `sys.exit()` of a part or a library into an error. Its code 0 would report an unfinished `task` as done.

    Raises:
        SeqtoolError: the file and line that called `sys.exit()`.
    """
    try:
        yield
    except SystemExit as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise SeqtoolError(f"{task} was ended by sys.exit({error.code!r}) at {last.filename}:{last.lineno}") from error


def dotted(path: Iterable[str | int]) -> str:
    """`("model", "layers", 0)` -> `model.layers.0`, as in `--set`."""
    return ".".join(str(step) for step in path)


def nearest_name(name: str, names: Iterable[str]) -> str:
    """The known name that is most similar to `name`, or an empty string."""
    matches = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.6)
    return matches[0] if matches else ""
