"""The errors that users meet. Each says what, where, what is allowed, and the nearest name."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN = 100


@dataclass(frozen=True)
class Origin:
    """Where a value came from: a place in a file, a `--set` flag, or a default.

    `line` and `column` count from 1; 0 means that the source has no lines (a flag, a default).
    """

    source: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a recipe: the path of the value (`model.decoder.cell`), where it stands, why."""

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
    """Anything that a user can mend; the command line prints it without a traceback."""

    exit_code = 1


class MisuseError(SeqtoolError):
    """A command line or a call that cannot mean anything."""

    exit_code = 2

    def __init__(self, message: str, *, allowed: Iterable[str] = (), nearest: str = "") -> None:
        super().__init__(str(Problem(message, allowed=", ".join(allowed), nearest=nearest)))


class PluginError(SeqtoolError):
    """A plugin that is missing, broken, of another API, or clashes with another."""


class PartError(SeqtoolError):
    """Raised by a part's constructor for options or sizes that cannot go together.

    `option` names the keyword-only parameter at fault; the builder turns that into a place in the recipe.
    """

    def __init__(self, message: str, *, option: str = "", allowed: str = "") -> None:
        super().__init__(message)
        self.option = option
        self.allowed = allowed


class RecipeError(SeqtoolError):
    """All the problems of one recipe at once."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{count} problems:\n" if count > 1 else ""
        more = f"\n... and {count - _SHOWN} more" if count > _SHOWN else ""
        return head + "\n".join(str(problem) for problem in self.problems[:_SHOWN]) + more


def dotted(path: Iterable[str | int]) -> str:
    """`("model", "layers", 0)` -> `model.layers.0`, the form that `--set` takes."""
    return ".".join(str(step) for step in path)


def nearest_name(name: str, names: Iterable[str]) -> str:
    """The known name that `name` was most likely meant to be, or an empty string."""
    matches = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.6)
    return matches[0] if matches else ""
