"""New places of the files that the task of a run reads. The run's recipe and its checkpoints stay valid."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from seqtool.errors import MisuseError, RecipeError, nearest_name
from seqtool.recipe.option_values import is_path
from seqtool.recipe.recipe import Variant
from seqtool.recipe.schema import schema_of


def with_data(variant: Variant, data: Mapping[str, str]) -> Variant:
    """The variant, whose task reads other files.

    Args:
        data: option of the task -> the file, relative to the working directory.

    Raises:
        MisuseError: an option of the task has another name, or is no file.
    """
    if not data:
        return variant
    known = _file_options(variant)
    for name in data:
        if name not in known:
            message = f"task {variant.task.name} reads no file given by {name!r}"
            raise MisuseError(message, allowed=known, nearest=nearest_name(name, known))
    files = {name: file if "://" in file else str(Path(file).absolute()) for name, file in data.items()}
    return replace(variant, task=replace(variant.task, options={**variant.task.options, **files}))


@contextlib.contextmanager
def suggest_data(variant: Variant) -> Iterator[None]:
    """Add to a `RecipeError` that moved files can be given by `--data`, if the task reads files."""
    try:
        yield
    except RecipeError as error:
        known = _file_options(variant)
        if not known:
            raise
        hint = f"--data {known[0]}=FILE if the file was moved"
        raise RecipeError(
            replace(problem, allowed=f"{problem.allowed}; {hint}".removeprefix("; ")) for problem in error.problems
        ) from error


def _file_options(variant: Variant) -> list[str]:
    options = schema_of(variant.task.cls).options.values()
    return [option.name for option in options if option.slot is None and is_path(option.annotation)]
