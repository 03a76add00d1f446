"""The records of discovery: a plugin, working or not, and the parts that it brings."""

import importlib
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal

from seqtool.errors import PartError, PluginError
from seqtool.registry.component import Component
from seqtool.registry.kinds import KINDS
from seqtool.registry.requirement_names import requirement_problem
from seqtool.registry.signature import read_constructor


@dataclass(eq=False)
class Plugin:
    """One plugin that was found. A broken one is a record too; its parts are unusable.

    Attributes:
        name: the entry point's name, the module's name for `-p`, the file's stem for `--plugins-dir`.
        module: what was imported, or would have been.
        distribution, version: what it was installed from; empty for `-p` and `--plugins-dir`.
        origin: "entry point", "-p" or "--plugins-dir DIR".
        error: why it is broken, as the rest of a sentence ("failed to import: ..."); empty otherwise.
        seconds: what importing it and asking for its parts cost.
    """

    name: str
    module: str
    distribution: str
    version: str
    origin: str
    error: str = ""
    disabled: bool = False
    seconds: float = 0.0
    components: "tuple[Registered, ...]" = field(default=(), repr=False)
    warnings: list[str] = field(default_factory=list)

    @property
    def status(self) -> Literal["ok", "broken", "disabled"]:
        if self.disabled:
            return "disabled"
        return "broken" if self.error else "ok"

    @property
    def source(self) -> str:
        """Where it came from, for people: "seqtool-foo 0.3", or "-p"."""
        return f"{self.distribution} {self.version}" if self.distribution else self.origin

    def __str__(self) -> str:
        return f"{self.name} ({self.source})"


@dataclass(frozen=True, eq=False)
class Registered:
    """A part under its names: short, `additive`, and canonical, `attention:additive`."""

    kind: str
    name: str
    plugin: Plugin
    component: Component

    @property
    def canonical(self) -> str:
        return f"{self.plugin.name}:{self.name}"

    @property
    def summary(self) -> str:
        """One line: the component's own, or the first of its class's docstring."""
        target = self.component.target
        if self.component.summary or isinstance(target, str):
            return self.component.summary
        return (target.__doc__ or "").strip().partition("\n")[0]

    @property
    def target(self) -> str:
        """Where its class lives: "package.module:Class"."""
        target = self.component.target
        return target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"

    def __str__(self) -> str:
        return f"{self.kind} {self.canonical!r} ({self.plugin.source})"

    def load(self) -> Any:
        """The part, imported now and checked against the contract of its kind: a class, or a verb's command.

        Raises:
            PluginError: it cannot be imported, is no such part, does not say what its constructor takes, or requires
                something unknown.
        """
        part = self._import()
        kind = KINDS[self.kind]
        if kind.constructed:
            self._check_class(part)
        elif not isinstance(part, resolve(kind.contract)):
            raise PluginError(f"{self}: {self.target} is no {kind.contract.replace(':', '.')}")
        return part

    def _check_class(self, part: object) -> None:
        if not isinstance(part, type):
            raise PluginError(f"{self}: {self.target} is {type(part).__name__}, and a part is a class")
        kind = KINDS[self.kind]
        if not issubclass(part, resolve(kind.contract)):
            raise PluginError(f"{self}: {self.target} is no {kind.contract.replace(':', '.')}")
        try:
            constructor = read_constructor(part)
        except PartError as error:
            raise PluginError(f"{self}: {error}") from error
        if not constructor.takes(len(kind.sizes)):
            found = ", ".join(size.name for size in constructor.sizes)
            raise PluginError(
                f"{self}: its constructor takes the sizes ({found}), "
                f"and a {self.kind} is given ({', '.join(kind.sizes)})"
            )
        if problem := requirement_problem(part):
            raise PluginError(f"{self}: {problem}")

    def _import(self) -> object:
        if not isinstance(self.component.target, str):
            return self.component.target
        try:
            return resolve(self.component.target)
        except (Exception, SystemExit) as error:  # whatever the code of a plugin does at import
            raise PluginError(f"{self} failed to import: {one_line(error)}") from error


def resolve(target: str) -> Any:
    """`"package.module:Class"` -> what it names; the caller checks what that is."""
    module, _, attribute = target.partition(":")
    return reduce(getattr, attribute.split("."), importlib.import_module(module))


def one_line(error: BaseException) -> str:
    """`ImportError: No module named 'x'`, whatever the number of lines that the message has."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
