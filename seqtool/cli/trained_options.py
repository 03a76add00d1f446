"""What verbs that use a trained run share: which of its models, which search, and lines that cannot be read."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from seqtool.cli.verb_options import PluginFlags, plugin_options
from seqtool.errors import SeqtoolError

if TYPE_CHECKING:
    from seqtool.inference.predictor import Predictor
    from seqtool.recipe import Reference
    from seqtool.registry import Registry


Function = Callable[..., Any]


@dataclass(frozen=True)
class Trained:
    """The flags that say which model is meant and how it decodes."""

    run: Path
    variant: str | None
    seed: int | None
    checkpoint: Literal["best", "last"]
    device: str | None
    search: str | None
    plugins: PluginFlags

    def load(self) -> "tuple[Predictor, Reference | None]":
        """The model, and the search that was asked for, None for the recipe's own."""
        from seqtool.inference.loading import load

        registry = self.plugins.registry()
        search = None if self.search is None else search_of(self.search, registry)
        predictor = load(self.run, self.variant, self.seed, self.checkpoint, self.device, registry=registry)
        return predictor, search

    def about(self, predictor: "Predictor", search: "Reference | None") -> dict[str, Any]:
        """Which model it is, and how it decodes, for what is measured of it."""
        searched = search or predictor.variant.train.search
        return {
            "run": str(self.run),
            "variant": predictor.name,
            "seed": predictor.seed,
            "checkpoint": predictor.checkpoint,
            "step": predictor.step,
            "search": dict(getattr(searched, "plain", {})),
        }


class BadLines:
    """What is done at a line that cannot be read: it ends the verb, or is told of and counted."""

    def __init__(self, policy: Literal["fail", "skip"]) -> None:
        self.policy = policy
        self.count = 0

    def __call__(self, error: SeqtoolError) -> None:
        if self.policy == "fail":
            raise error
        click.echo(f"warning: {error}", err=True)
        self.count += 1

    def report(self) -> None:
        """Say how many were left out."""
        if self.count:
            click.echo(f"warning: {self.count} line{'s' * (self.count != 1)} left out", err=True)


bad_lines_option = click.option(
    "--bad-lines",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="At a line that cannot be read: stop, or tell and go on.",
)


def search_of(text: str, registry: "Registry") -> "Reference":
    """The search that the value of `--search` describes.

    Raises:
        RecipeError: all that is wrong with it.
    """
    from seqtool.errors import Origin
    from seqtool.recipe import reference
    from seqtool.recipe.loader import parse_text

    node = parse_text(text, "--search")
    return reference("search", None if node is None else node.plain(), registry, Origin(f"--search {text}"))


def measuring_options(function: Function) -> Function:
    """Add the flags of verbs that measure a model on a split: `split`, `batch_size`, `max_length`, `bootstrap_seed`."""
    for option in (
        click.option(
            "--bootstrap-seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="What intervals are drawn from.",
        ),
        click.option("--max-length", type=click.IntRange(min=1), help="Most symbols to write; default: the task's."),
        click.option("--batch-size", type=click.IntRange(min=1), help="Examples a batch; default: the recipe's."),
        click.option(
            "--split",
            type=click.Choice(["train", "valid", "test"]),
            default="valid",
            show_default=True,
            help="Which examples.",
        ),
    ):
        function = option(function)
    return function


def trained_options(function: Function) -> Function:
    """Add RUN and these flags to a verb, which gets them as one argument, `trained: Trained`."""

    @click.argument("run", type=click.Path(path_type=Path))
    @click.option("--variant", metavar="NAME", help="Which variant; needed where the run has several.")
    @click.option("--seed", type=click.IntRange(min=0), help="Which seed; default: the run's first.")
    @click.option(
        "--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Which checkpoint."
    )
    @click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps, or auto; default: cpu.")
    @click.option(
        "--search", metavar="YAML", help="greedy, '{type: beam, size: 5, best: 5}', ...; default: the recipe's."
    )
    @plugin_options
    @functools.wraps(function)
    def collect(
        *,
        run: Path,
        variant: str | None,
        seed: int | None,
        checkpoint: Literal["best", "last"],
        device: str | None,
        search: str | None,
        plugins: PluginFlags,
        **options: Any,
    ) -> Any:
        trained = Trained(run, variant, seed, checkpoint, device, search, plugins)
        return function(trained=trained, **options)

    return collect
