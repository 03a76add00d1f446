"""The command line. Each verb is a file beside this one, imported when it is typed."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from seqtool import __version__
from seqtool.cli.verb_options import Settings, debug_option
from seqtool.errors import SeqtoolError, nearest_name

VERBS = {
    "run": ("run", "Train the variants of a recipe, and compare them."),
    "predict": ("predict", "Write what a trained model predicts, line by line."),
    "evaluate": ("evaluate", "Measure a trained model on a split, with intervals."),
    "verify": ("verify", "Hold a published number against what its recipe reaches."),
    "intervene": ("intervene", "Measure a trained model whose attention is forced."),
    "report": ("report", "Write what a run did as one page: curves, alignments, mistakes."),
    "compare": ("compare", "Compare variants and runs: recipes, metrics, alignments, cost."),
    "plot": ("plot", "Draw a run for print: losses, alignments, entropy."),
    "watch": ("watch", "Show what a run in training does now."),
    "validate": ("validate", "Check a recipe, and report all that is wrong with it."),
    "show": ("show", "Show a recipe as it is resolved, and where each value came from."),
    "list": ("list_", "List the parts that recipes can name."),
    "describe": ("describe", "Explain one part: its equation, its options, its source."),
    "explain": ("explain", "Work one part's equation, in plain Python and small numbers."),
    "plugins": ("plugins", "List the plugins that were found, the broken ones too."),
    "doctor": ("doctor", "Check this installation and its devices."),
}
"""Verb -> (its module, one line of help), so that `--help` imports no verb."""


class Verbs(click.Group):
    """A group that knows its commands by name alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"seqtool.cli.{VERBS[cmd_name][0]}").command
        assert isinstance(command, click.Command), "each verb's module has a click command named `command`"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            nearest = nearest_name(args[0], VERBS)
            hint = f" Did you mean {nearest!r}?" if nearest else f" There are: {', '.join(VERBS)}."
            raise click.UsageError(f"No such verb: {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, summary) for name, (_, summary) in VERBS.items()])


@click.group(
    cls=Verbs,
    subcommand_metavar="VERB [ARGUMENTS]...",
    epilog="\b\nExample:\n  seqtool run align_60_20\n  seqtool run --help",
)
@click.version_option(__version__, prog_name="seqtool")
@debug_option
def group() -> None:
    """Sequence-to-sequence models with attention: every part a plugin, every experiment one recipe."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0, 1 (failed) or 2 (misuse). All errors end here."""
    settings = Settings(debug=os.environ.get("SEQTOOL_DEBUG", "") not in ("", "0"))
    try:
        code = group.main(arguments, prog_name="seqtool", obj=settings, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        code = _report(error, settings)
    sys.exit(code if isinstance(code, int) else 0)


def _helps_another_rank() -> bool:
    """Whether this process is one of several and not the first, which speaks for all."""
    ranks = (os.environ.get(name) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return next((rank for rank in ranks if rank), "0") != "0"


def _report(error: Exception, settings: Settings) -> int:
    """Say what went wrong in one block on stderr, and return the exit code."""
    if settings.debug:
        traceback.print_exception(error)
    if isinstance(error, SeqtoolError):
        if not _helps_another_rank():
            click.echo(f"error: {error}", err=True)
        return error.exit_code
    if isinstance(error, OSError):  # no space left, not allowed, no such folder: the user can mend it
        click.echo(f"error: {error}", err=True)
        return 1
    from seqtool.registry.records import one_line

    again = "" if settings.debug else "; run again with --debug to see where"
    click.echo(f"internal error: {one_line(error)}{again}", err=True)
    return 1
