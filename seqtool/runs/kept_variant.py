"""A variant as its run resolved it. No torch until its parts are imported."""

from dataclasses import replace

from seqtool.recipe import Variant, load_recipe
from seqtool.registry import Registry
from seqtool.runs.directory import RunDirectory


def kept_variant(directory: RunDirectory, name: str, registry: Registry) -> Variant:
    """The variant `name` of a run, from the resolved recipe in its directory.

    Raises:
        RecipeError: the file is gone, or the parts that are installed no longer accept it.
    """
    (variant,) = load_recipe(directory.kept_recipe(name), registry=registry).variants.values()
    return replace(variant, name=name)
