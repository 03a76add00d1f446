"""Loads a variant from the resolved recipe in its run directory. No torch until its parts are imported."""

from dataclasses import replace

from seqtool.errors import Origin, Problem, RecipeError
from seqtool.recipe import Variant, load_recipe
from seqtool.registry import Registry
from seqtool.runs.directory import RunDirectory
from seqtool.runs.provenance import plugin_flags


def load_resolved_variant(directory: RunDirectory, name: str, registry: Registry) -> Variant:
    """The variant `name` of a run, from its resolved.yaml.

    Raises:
        RecipeError: the file is missing, or the installed parts no longer accept it.
    """
    try:
        (variant,) = load_recipe(directory.resolved_recipe(name), registry=registry).variants.values()
    except RecipeError as error:
        flags = directory.read_plan().get("plugin_flags")
        if not isinstance(flags, str) or not flags.isprintable() or flags in ("", plugin_flags(registry).strip()):
            raise
        message = f"the run was made with other plugins: {flags}"
        raise RecipeError([*error.problems, Problem(message, (), Origin(str(directory.path)))]) from error
    return replace(variant, name=name)
