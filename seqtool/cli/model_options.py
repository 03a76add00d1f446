"""Options of verbs that use a trained model: the model, the search, the split, and the handling of bad lines."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from seqtool.cli.verb_options import PluginFlags, data_option, plugin_options
from seqtool.errors import SeqtoolError

if TYPE_CHECKING:
    from seqtool.inference.predictor import Predictor
    from seqtool.recipe import Reference
    from seqtool.registry import Registry


Function = Callable[..., Any]


@dataclass(frozen=True)
class ModelFlags:
    """The flags that select a trained model and its search."""

    run: Path
    variant: str | None
    seed: int | None
    checkpoint: Literal["best", "last"]
    device: str | None
    search: str | None
    plugins: PluginFlags
    data: dict[str, str]

    def load(self) -> "tuple[Predictor, Reference | None]":
        """The model, and the search of `--search`, or None for the search of the recipe."""
        from seqtool.inference.loading import load

        registry = self.plugins.registry()
        search = None if self.search is None else parse_search(self.search, registry)
        predictor = load(
            self.run, self.variant, self.seed, self.checkpoint, self.device, registry=registry, data=self.data
        )
        return predictor, search

    def each(self) -> "list[ModelFlags]":
        """The flags of each model: all variants and seeds with a checkpoint, unless a variant or seed is given.

        If no model has a checkpoint, the first is included, and loading it reports what is missing.
        """
        from seqtool.runs import RunDirectory

        directory = RunDirectory.open(self.run)
        plan = directory.read_plan()
        if self.variant not in (None, *plan["variants"]) or self.seed not in (None, *plan["seeds"]):
            return [self]  # loading it reports the names that exist
        names = plan["variants"] if self.variant is None else [self.variant]
        seeds = plan["seeds"] if self.seed is None else [self.seed]
        models = [replace(self, variant=name, seed=seed) for name in names for seed in seeds]
        if len(models) == 1:
            return models
        trained = []
        for model in models:
            files = directory.seed(str(model.variant), int(model.seed or 0))
            path = files.best_checkpoint if self.checkpoint == "best" else files.last_checkpoint
            if path.exists():
                trained.append(model)
            else:
                click.echo(f"warning: {model.variant}, seed {model.seed} has no {self.checkpoint} checkpoint", err=True)
        return trained or models[:1]

    def about(self, predictor: "Predictor", search: "Reference | None") -> dict[str, Any]:
        """The model and its search as JSON, to accompany measurements."""
        return {
            "run": str(self.run),
            "variant": predictor.name,
            "seed": predictor.seed,
            "checkpoint": predictor.checkpoint,
            "step": predictor.step,
            "search": dict(getattr(search or predictor.variant.train.search, "plain", {})),
        }


class BadLines:
    """Handles input lines that cannot be read: raises the error, or prints a warning and counts the line."""

    def __init__(self, policy: Literal["fail", "skip"]) -> None:
        self.policy = policy
        self.count = 0

    def __call__(self, error: SeqtoolError) -> None:
        if self.policy == "fail":
            raise error
        click.echo(f"warning: {error}", err=True)
        self.count += 1

    def report(self) -> None:
        """Warn of the number of skipped lines."""
        if self.count:
            click.echo(f"warning: skipped {self.count} line{'s' * (self.count != 1)}", err=True)


bad_lines_option = click.option(
    "--bad-lines",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What to do with a line that cannot be read; skip prints a warning.",
)


unknown_option = click.option(
    "--unknown",
    type=click.Choice(["warn", "error"]),
    default="warn",
    show_default=True,
    help="What to do with symbols of a source that training never saw.",
)


def warn(message: str) -> None:
    """Print a warning to stderr."""
    click.echo(f"warning: {message}", err=True)


def parse_search(text: str, registry: "Registry") -> "Reference":
    """Parse the value of `--search`.

    Raises:
        RecipeError: with all its problems.
    """
    from seqtool.errors import Origin
    from seqtool.recipe import reference
    from seqtool.recipe.loader import parse_text

    node = parse_text(text, "--search")
    return reference("search", None if node is None else node.plain(), registry, Origin(f"--search {text}"))


def measurement_options(function: Function) -> Function:
    """Add the options `split`, `batch_size`, `max_length` and `bootstrap_seed` to a verb that measures a model."""
    for option in (
        click.option(
            "--bootstrap-seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Random seed of the bootstrap intervals.",
        ),
        click.option(
            "--max-length", type=click.IntRange(min=1), help="Maximum length of the output; default: the task's."
        ),
        click.option("--batch-size", type=click.IntRange(min=1), help="Examples per batch; default: the recipe's."),
        click.option(
            "--split",
            type=click.Choice(["train", "valid", "test"]),
            default="valid",
            show_default=True,
            help="Split to measure.",
        ),
    ):
        function = option(function)
    return function


def model_options(function: Function) -> Function:
    """Add RUN and the model flags to a verb as one argument, `model: ModelFlags`."""

    @click.argument("run", type=click.Path(path_type=Path))
    @click.option("--variant", metavar="NAME", help="Variant; required if the run has several.")
    @click.option("--seed", type=click.IntRange(min=0), help="Seed; default: the first of the run.")
    @click.option(
        "--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Checkpoint."
    )
    @click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps, or auto; default: cpu.")
    @click.option(
        "--search", metavar="YAML", help="greedy, '{type: beam, size: 5, best: 5}', ...; default: the recipe's."
    )
    @data_option
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
        data: dict[str, str],
        **options: Any,
    ) -> Any:
        model = ModelFlags(run, variant, seed, checkpoint, device, search, plugins, data)
        return function(model=model, **options)

    return collect
