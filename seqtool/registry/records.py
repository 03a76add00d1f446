"""The records of plugins and their parts."""

import importlib
import inspect
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
    """A plugin that was found. The parts of a broken plugin cannot be used.

    Attributes:
        name: the name of the entry point; of the module for `-p`; of the file without suffix for `--plugins-dir`.
        module: the module to import.
        distribution, version: the installed distribution; empty for `-p` and `--plugins-dir`.
        origin: "entry point", "-p" or "--plugins-dir DIR".
        error: why it is broken, as a predicate ("failed to import: ..."); empty if it works.
        seconds: the time to import it and to list its parts.
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
        """Where it comes from, in messages: "seqtool-foo 0.3", or "-p"."""
        return f"{self.distribution} {self.version}" if self.distribution else self.origin

    def __str__(self) -> str:
        return f"{self.name} ({self.source})"


@dataclass(frozen=True, eq=False)
class Registered:
    """A part with its short name, `additive`, and its canonical name, `attention:additive`."""

    kind: str
    name: str
    plugin: Plugin
    component: Component

    @property
    def canonical(self) -> str:
        return f"{self.plugin.name}:{self.name}"

    @property
    def summary(self) -> str:
        """One line: the summary of the component, or the first line of the docstring of the class."""
        target = self.component.target
        if self.component.summary or isinstance(target, str):
            return self.component.summary
        return (target.__doc__ or "").strip().partition("\n")[0]

    @property
    def target(self) -> str:
        """The import path of its class: "package.module:Class"."""
        target = self.component.target
        return target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"

    def __str__(self) -> str:
        return f"{self.kind} {self.canonical!r} ({self.plugin.source})"

    def load(self) -> Any:
        """Import the part, a class or a verb's command, and check it against the contract of its kind.

        Raises:
            PluginError: it cannot be imported, does not implement the contract, its constructor cannot be read, or its
                requirements are unknown.
        """
        part = self._import()
        kind = KINDS[self.kind]
        if kind.constructed:
            self._check_class(part)
        elif not isinstance(part, resolve(kind.contract)):
            raise PluginError(f"{self}: {self.target} is not an instance of {kind.contract.replace(':', '.')}")
        return part

    def _check_class(self, part: object) -> None:
        if not isinstance(part, type):
            raise PluginError(f"{self}: {self.target} is {type(part).__name__}, and a part must be a class")
        kind = KINDS[self.kind]
        if not issubclass(part, resolve(kind.contract)):
            raise PluginError(f"{self}: {self.target} is not a subclass of {kind.contract.replace(':', '.')}")
        try:
            constructor = read_constructor(part)
        except PartError as error:
            raise PluginError(f"{self}: {error}") from error
        options = constructor.sizes[len(kind.sizes) :]
        if options and all(option.default is not inspect.Parameter.empty for option in options):
            names, plural = ", ".join(option.name for option in options), "s" * (len(options) > 1)
            raise PluginError(
                f"{self}: its option{plural} {names} must be keyword-only, after a *\n"
                f"    allowed: {constructor.with_options_after(len(kind.sizes))}"
            )
        if not constructor.takes(len(kind.sizes)):
            found = ", ".join(size.name for size in constructor.sizes)
            raise PluginError(
                f"{self}: its constructor takes the sizes ({found}), "
                f"and a {self.kind} must take ({', '.join(kind.sizes)})"
            )
        if problem := requirement_problem(part):
            raise PluginError(f"{self}: {problem}")

    def _import(self) -> object:
        if not isinstance(self.component.target, str):
            return self.component.target
        try:
            return resolve(self.component.target)
        except (Exception, SystemExit) as error:  # the plugin's code may raise anything
            raise PluginError(f"{self} failed to import: {one_line(error)}") from error


def resolve(target: str) -> Any:
    """Import `"package.module:Class"`. The caller checks the type of the result."""
    module, _, attribute = target.partition(":")
    return reduce(getattr, attribute.split("."), importlib.import_module(module))


def one_line(error: BaseException) -> str:
    """The type and message of an error on one line: `ImportError: No module named 'x'`."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
