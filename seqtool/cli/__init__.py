"""The command line. Verbs are parts; seqtool's own verbs are the modules of this package, imported when they run."""

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from seqtool import __version__
from seqtool.cli.streams import finish_streams, prepare_streams, visible_text
from seqtool.cli.verb_options import Settings, debug_option, group_plugin_options, settings
from seqtool.errors import SeqtoolError, nearest_name, refuse_exit
from seqtool.registry import Plugin, Registered, Registry
from seqtool.registry.component import Component

DIAGNOSIS = ("plugins", "doctor")
"""Verbs that need no plugin, to diagnose an installation."""


class Verbs(click.Group):
    """The group of the verbs that plugins provide; a verb is imported when it runs."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _exit_without_reader():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _exit_without_reader():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_verbs(_registry(ctx)))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        registry = _registry(ctx)
        verbs = _verbs(registry)
        if not any(cmd_name in (part.name, part.canonical) for part in verbs.values()):
            return None
        part = verbs.get(cmd_name) or registry.find("verb", cmd_name)
        command: click.Command = part.load()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = {name for part in _verbs(_registry(ctx)).values() for name in (part.name, part.canonical)}
        if args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(_unknown(args[0], _registry(ctx)), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        registry = _registry(ctx)
        verbs = _verbs(registry)
        own = {label: part for label, part in verbs.items() if part.plugin.distribution == "seqtool"}
        for heading, rows in (
            ("Verbs", [(label, part.summary) for label, part in own.items()]),
            ("Verbs of other plugins", [(label, _with_source(verbs[label])) for label in verbs if label not in own]),
            ("Broken, see `seqtool plugins`", [(plugin.name, f"it {plugin.error}") for plugin in registry.broken()]),
        ):
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


@contextmanager
def _exit_without_reader() -> Iterator[None]:
    """End with code 1 when nothing reads the output any more; click would call `sys.exit()`."""
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(1) from None


def _registry(ctx: click.Context) -> Registry:
    with ctx.scope(cleanup=False):
        return settings().plugins.registry(warn=False)


def _verbs(registry: Registry) -> dict[str, Registered]:
    """Label -> verb, in the order of their plugins; the verbs of `DIAGNOSIS` are always included."""
    working = (plugin for plugin in registry.plugins if plugin.status == "ok")
    found = [part for plugin in working for part in plugin.components if part.kind == "verb"]
    names = {part.name for part in found}
    missing = {name: _diagnosis(name) for name in DIAGNOSIS if name not in names}
    return {registry.label(part): part for part in found} | missing


def _diagnosis(name: str) -> Registered:
    plugin = Plugin("seqtool", "seqtool.cli", "seqtool", __version__, "built in")
    summary = "Diagnose this installation."
    return Registered("verb", name, plugin, Component("verb", name, f"seqtool.cli.{name}:command", summary))


def _with_source(part: Registered) -> str:
    return f"{part.summary} ({part.plugin.source})".lstrip()


def _unknown(name: str, registry: Registry) -> str:
    verbs = list(_verbs(registry))
    nearest = nearest_name(name, verbs)
    message = f"No such verb: {name!r}."
    message += f" Did you mean {nearest!r}?" if nearest else f" Available verbs: {', '.join(verbs)}."
    if not registry.parts("verb"):
        message += " No plugin provides verbs, not even seqtool's own. See `seqtool plugins`, or reinstall seqtool."
    return message + "".join(f" Not searched: plugin {plugin}, which {plugin.error}." for plugin in registry.broken())


@click.group(
    cls=Verbs,
    subcommand_metavar="VERB [ARGUMENTS]...",
    epilog="\b\nExample:\n  seqtool run align_60_20\n  seqtool run --help",
)
@click.version_option(__version__, prog_name="seqtool")
@group_plugin_options
@debug_option
def group() -> None:
    """Train and analyse sequence-to-sequence models with attention. Parts are plugins; an experiment is a recipe."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with 0, 1 (error) or 2 (misuse)."""
    if "torch" not in sys.modules:  # OpenMP reads it when torch is loaded; threads that spin slow down shared cores
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    prepare_streams()
    code = 1
    with suppress(BrokenPipeError), visible_text():  # the program that reads the output has exited
        code = _run(arguments)
    sys.exit(code if finish_streams() else code or 1)


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command line and return its exit code."""
    shared = Settings(debug=os.environ.get("SEQTOOL_DEBUG", "") not in ("", "0"))
    try:
        with refuse_exit("seqtool"):
            code = group.main(arguments, prog_name="seqtool", obj=shared, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 1
    except BrokenPipeError:
        return 1
    except Exception as error:
        return _report(error, shared)
    return code if isinstance(code, int) else 0


def _is_other_rank() -> bool:
    """Whether this process is a rank other than 0, which alone reports errors."""
    ranks = (os.environ.get(name) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return next((rank for rank in ranks if rank), "0") != "0"


def _report(error: Exception, settings: Settings) -> int:
    """Print an error to stderr and return the exit code."""
    if settings.debug:
        traceback.print_exception(error)
    if isinstance(error, SeqtoolError):
        if not _is_other_rank():
            click.echo(f"error: {error}", err=True)
        return error.exit_code
    if isinstance(error, OSError):  # disk full, permission denied, no such folder: not our error
        click.echo(f"error: {error}", err=True)
        return 1
    from seqtool.registry.faults import plugin_fault
    from seqtool.registry.records import one_line

    faults = [fault for registry in settings.registries.values() if (fault := plugin_fault(error, registry))]
    if faults:
        click.echo(f"error: {faults[0]}", err=True)
        return 1
    again = "" if settings.debug else "; run again with --debug for the traceback"
    click.echo(f"internal error: {one_line(error)}{again}", err=True)
    return 1
