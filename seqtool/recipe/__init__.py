"""The recipe language: YAML -> validated, resolved recipes. torch is imported only with the parts of a recipe."""

from seqtool.recipe.recipe import Recipe, Variant, load_recipe, reference
from seqtool.recipe.reference import Reference

__all__ = ["Recipe", "Reference", "Variant", "load_recipe", "reference"]
