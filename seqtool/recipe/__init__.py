"""The recipe language: YAML -> validated, resolved recipes. No torch until a recipe names a part."""

from seqtool.recipe.recipe import Recipe, Variant, load_recipe, reference
from seqtool.recipe.reference import Reference

__all__ = ["Recipe", "Reference", "Variant", "load_recipe", "reference"]
