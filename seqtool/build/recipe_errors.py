"""Errors with a location in the recipe."""

from seqtool.errors import Origin, Problem, RecipeError
from seqtool.recipe import Variant
from seqtool.recipe.recipe import DEFAULT


def recipe_error(
    variant: Variant, path: tuple[str | int, ...], message: str, allowed: str = "", nearest: str = ""
) -> RecipeError:
    """An error at a path of a variant. The variant is named, because variants may share the line in the file."""
    origin = variant.origins.get(path)
    if origin and variant.name != DEFAULT:
        message = f"{message} (variant {variant.name})"
    return RecipeError([Problem(message, path, origin or Origin(f"variant {variant.name}"), allowed, nearest)])
