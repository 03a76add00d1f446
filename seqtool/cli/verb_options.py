"""What verbs share: how one is declared, the flags for plugins, `--json` and `--debug`."""

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from seqtool.registry import Registry

Function = Callable[..., Any]


@dataclass
class Settings:
    """What holds for the whole command line; click hands it around as `ctx.obj`."""

    debug: bool = False


@dataclass(frozen=True)
class PluginFlags:
    """The flags that say which plugins to load, beside those that are installed."""

    modules: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    strict: bool = False

    def registry(self, *, warn: bool = True) -> "Registry":
        """Find and load the plugins; what they are warned about goes to stderr.

        `-p` also finds modules of the current folder, as `python -m` does.
        """
        from seqtool.registry import discover

        if self.modules and not {"", os.getcwd()} & set(sys.path):
            sys.path.append(os.getcwd())
        registry = discover(
            modules=self.modules, plugins_dirs=self.directories, disabled=self.disabled, strict=self.strict
        )
        if warn:
            for plugin in registry.plugins:
                for warning in plugin.warnings:
                    click.echo(f"warning: plugin {plugin} {warning}", err=True)
        return registry


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

json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON object to stdout.")


def verb(name: str, *, example: str) -> Callable[[Function], click.Command]:
    """Declare a verb: a click command whose help ends with a worked example, and which takes `--debug`."""
    lines = "\n".join(f"  {line}" for line in example.splitlines())

    def declare(function: Function) -> click.Command:
        return click.command(name, epilog=f"\b\nExample:\n{lines}")(debug_option(function))

    return declare


def plugin_options(function: Function) -> Function:
    """Add the plugin flags to a verb, which gets them as one argument, `plugins: PluginFlags`."""

    @click.option(
        "-p",
        "--plugin-module",
        "plugin_modules",
        multiple=True,
        metavar="MODULE",
        help="Load this module as a plugin too (repeatable).",
    )
    @click.option(
        "--plugins-dir",
        "plugins_dirs",
        multiple=True,
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        help="Load each *.py file and package of this folder as a plugin too (repeatable).",
    )
    @click.option(
        "--no-plugin",
        "no_plugins",
        multiple=True,
        metavar="NAME",
        help="Do not load this plugin, or any of this distribution (repeatable).",
    )
    @click.option("--strict-plugins", is_flag=True, help="Fail if any plugin is broken.")
    @functools.wraps(function)
    def collect(
        *arguments: Any,
        plugin_modules: tuple[str, ...],
        plugins_dirs: tuple[str, ...],
        no_plugins: tuple[str, ...],
        strict_plugins: bool,
        **options: Any,
    ) -> Any:
        flags = PluginFlags(plugin_modules, plugins_dirs, no_plugins, strict_plugins)
        return function(*arguments, plugins=flags, **options)

    return collect
