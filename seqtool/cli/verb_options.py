"""Declares verbs, and the options that verbs share: the plugin flags, `--json` and `--debug`."""

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

if TYPE_CHECKING:
    from seqtool.registry import Registry

Function = Callable[..., Any]
TableFormat = Literal["text", "md", "csv", "tex"]
TABLE_FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)


@dataclass(frozen=True)
class PluginFlags:
    """The flags that select plugins besides the installed ones."""

    modules: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    strict: bool = False

    def joined(self, other: "PluginFlags") -> "PluginFlags":
        """These flags combined with others."""
        return PluginFlags(
            (*self.modules, *other.modules),
            (*self.directories, *other.directories),
            (*self.disabled, *other.disabled),
            self.strict or other.strict,
        )

    def registry(self, *, warn: bool = True) -> "Registry":
        """Find and load the plugins, once for each command line, and print their warnings to stderr.

        A module of `-p` that is broken is also a warning, whether or not one of its parts is needed.
        Like `python -m`, `-p` also finds modules in the current folder.
        """
        found = settings().registries
        if self not in found:
            found[self] = self._discover()
        if warn:
            for plugin in found[self].plugins:
                requested = [plugin.error] if plugin.error and plugin.origin == "-p" else []
                for warning in (*plugin.warnings, *requested):
                    click.echo(f"warning: plugin {plugin} {warning}", err=True)
        return found[self]

    def _discover(self) -> "Registry":
        from seqtool.registry import discover

        if self.modules and not {"", os.getcwd()} & set(sys.path):
            sys.path.append(os.getcwd())
        return discover(modules=self.modules, plugins_dirs=self.directories, disabled=self.disabled, strict=self.strict)


@dataclass
class Settings:
    """State of the whole command line, passed by click as `ctx.obj`.

    Attributes:
        plugins: the plugin flags before the verb.
        registries: cache, flags -> registry.
        table_format: the format of tables, see `emit_table`.
    """

    debug: bool = False
    table_format: TableFormat = "text"
    plugins: PluginFlags = PluginFlags()
    registries: dict[PluginFlags, "Registry"] = field(default_factory=dict)


def settings() -> Settings:
    """The settings of the current command line; new ones outside of a command line."""
    context = click.get_current_context(silent=True)
    return context.find_root().ensure_object(Settings) if context else Settings()


def _set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().ensure_object(Settings).debug = True


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_debug,
    help="Show the traceback of an error (also SEQTOOL_DEBUG=1).",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _data_files(context: click.Context, _: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") for item in value]
    if not all(name and equals and file for name, equals, file in pairs):
        raise click.BadParameter("expected OPTION=FILE, for example --data train=pairs.tsv", context)
    return {name: file for name, _, file in pairs}


data_option = click.option(
    "--data",
    multiple=True,
    callback=_data_files,
    metavar="OPTION=FILE",
    help="New place of a file of the run's task, such as train=pairs.tsv (repeatable).",
)


def _set_table_format(context: click.Context, _: click.Parameter, value: Any) -> None:
    context.find_root().ensure_object(Settings).table_format = value


_table_format_option = click.option(
    "--format",
    type=click.Choice(TABLE_FORMATS),
    default="text",
    show_default=True,
    expose_value=False,
    callback=_set_table_format,
    help="Format of the tables: text, Markdown, CSV or LaTeX.",
)


def table_options(function: Function) -> Function:
    """Add `--json` and `--format` to a verb that prints tables."""
    return json_option(_table_format_option(function))


def verb(name: str, *, example: str) -> Callable[[Function], click.Command]:
    """Make a function a click command with `--debug`, and with an example at the end of its help."""
    lines = "\n".join(f"  {line}" for line in example.splitlines())

    def declare(function: Function) -> click.Command:
        return click.command(name, epilog=f"\b\nExample:\n{lines}")(debug_option(function))

    return declare


_FLAGS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "modules": (
        ("-p", "--plugin-module"),
        {"multiple": True, "metavar": "MODULE", "help": "Also load this module as a plugin (repeatable)."},
    ),
    "directories": (
        ("--plugins-dir",),
        {
            "multiple": True,
            "metavar": "DIR",
            "type": click.Path(exists=True, file_okay=False),
            "help": "Also load each *.py file and package in this folder as a plugin (repeatable).",
        },
    ),
    "disabled": (
        ("--no-plugin",),
        {
            "multiple": True,
            "metavar": "NAME",
            "help": "Do not load this plugin, or the plugins of this distribution (repeatable).",
        },
    ),
    "strict": (("--strict-plugins",), {"is_flag": True, "help": "Fail if any plugin is broken."}),
}
"""Field of `PluginFlags` -> the names of its option, and the arguments of `click.option`."""


def plugin_options(function: Function) -> Function:
    """Add the plugin flags to a verb as one argument, `plugins: PluginFlags`, which includes flags before the verb."""

    @functools.wraps(function)
    def collect(*arguments: Any, **options: Any) -> Any:
        flags = PluginFlags(**{name: options.pop(f"plugin_{name}") for name in _FLAGS})
        return function(*arguments, plugins=settings().plugins.joined(flags), **options)

    for name, (words, details) in reversed(_FLAGS.items()):
        collect = click.option(*words, f"plugin_{name}", **details)(collect)
    return collect


def group_plugin_options(function: Function) -> Function:
    """Add the plugin flags to the group of verbs. They are eager because `--help` lists the verbs of plugins."""
    for name, (words, details) in reversed(_FLAGS.items()):
        keep = functools.partial(_keep_flag, name)
        option = click.option(*words, f"plugin_{name}", is_eager=True, expose_value=False, callback=keep, **details)
        function = option(function)
    return function


def _keep_flag(name: str, context: click.Context, _: click.Parameter, value: Any) -> None:
    shared = context.find_root().ensure_object(Settings)
    shared.plugins = replace(shared.plugins, **{name: value})
