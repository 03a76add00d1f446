"""Loads a variant from the resolved recipe in its run directory. No torch until its parts are imported."""

from dataclasses import replace

from seqtool.recipe import Variant, load_recipe
from seqtool.registry import Registry
from seqtool.runs.directory import RunDirectory


def load_resolved_variant(directory: RunDirectory, name: str, registry: Registry) -> Variant:
    """The variant `name` of a run, from its resolved.yaml.

    Raises:
        RecipeError: the file is missing, or the installed parts no longer accept it.
    """
    (variant,) = load_recipe(directory.resolved_recipe(name), registry=registry).variants.values()
    return replace(variant, name=name)
