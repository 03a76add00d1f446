"""`seqtool validate`: all problems of recipes, without training."""

from pathlib import Path
from typing import Any

import click

from seqtool.cli.output import emit_json
from seqtool.cli.verb_options import PluginFlags, json_option, plugin_options, verb
from seqtool.errors import Origin, Problem, RecipeError, SeqtoolError, dotted


@verb("validate", example="seqtool validate align_60_20\nseqtool validate recipes/*.yaml --set train.steps=500")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change one value (repeatable).")
@json_option
@plugin_options
def command(recipes: tuple[str, ...], overrides: tuple[str, ...], as_json: bool, plugins: PluginFlags) -> None:
    """Check each RECIPE, a path or the name of a bundled recipe, and report all problems.

    The model of each variant is built without allocating memory, to find sizes that do not match.
    """
    from seqtool.build.check import check
    from seqtool.recipe import load_recipe

    registry = plugins.registry()
    results: dict[str, SeqtoolError | None] = dict.fromkeys(recipes)
    for recipe in results:
        try:
            check(load_recipe(recipe, registry=registry, overrides=overrides))
        except SeqtoolError as error:
            results[recipe] = error
        if not as_json and results[recipe] is None:
            click.echo(f"{recipe}: ok")
    if as_json:
        emit_json({"recipes": {recipe: _json(recipe, error) for recipe, error in results.items()}})
    errors = {recipe: error for recipe, error in results.items() if error is not None}
    if len(errors) == 1:
        raise next(iter(errors.values()))
    if errors:
        raise RecipeError(problem for recipe, error in errors.items() for problem in _problems(recipe, error))


def _problems(recipe: str, error: SeqtoolError) -> list[Problem]:
    if isinstance(error, RecipeError):
        return error.problems
    return [Problem(str(error), (), Origin(str(Path(recipe))))]


def _json(recipe: str, error: SeqtoolError | None) -> dict[str, Any]:
    problems = [] if error is None else _problems(recipe, error)
    return {"ok": error is None, "problems": [problem_json(problem) for problem in problems]}


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem as JSON; `line` and `column` count from 1 and are null if unknown."""
    origin = problem.origin or Origin("")
    return {
        "message": problem.message,
        "path": dotted(problem.path),
        "source": origin.source,
        "line": origin.line or None,
        "column": origin.column or None,
        "allowed": problem.allowed,
        "nearest": problem.nearest,
    }
