"""`seqtool show`: a resolved recipe, and the origin of each value."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from seqtool.cli.output import emit_json, emit_table
from seqtool.cli.verb_options import PluginFlags, plugin_options, table_options, verb
from seqtool.errors import dotted

if TYPE_CHECKING:
    from seqtool.recipe import Recipe, Variant

EXAMPLE = """\
seqtool show align_60_20 --variant attentive
seqtool show align_60_20 --variant attentive --set model.decoder.cell.hidden_size=64 --origin"""


@verb("show", example=EXAMPLE)
@click.argument("recipe")
@click.option("--variant", "names", multiple=True, metavar="NAME", help="Only this variant (repeatable).")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change one value (repeatable).")
@click.option("--origin", "with_origin", is_flag=True, help="Show the origin of each value.")
@table_options
@plugin_options
def command(
    recipe: str,
    names: tuple[str, ...],
    overrides: tuple[str, ...],
    with_origin: bool,
    as_json: bool,
    plugins: PluginFlags,
) -> None:
    """Show the resolved variants of RECIPE, a path or the name of a bundled recipe, with defaults and canonical names.

    Without --origin, the output for one variant is itself a recipe.
    """
    from seqtool.recipe import load_recipe

    loaded = load_recipe(recipe, registry=plugins.registry(), overrides=overrides, variants=names)
    variants = list(loaded.variants.values())
    if as_json:
        emit_json(_json(loaded, variants, with_origin))
        return
    for i, variant in enumerate(variants):
        click.echo(("\n" if i else "") + f"# {loaded.name}, variant {variant.name}")
        if with_origin:
            rows = [(dotted(path), json.dumps(value), origin) for path, value, origin in _leaves(variant)]
            emit_table(("path", "value", "origin"), rows)
        else:
            from seqtool.recipe.dump import dump

            click.echo(dump(variant.data), nl=False)


def _json(recipe: "Recipe", variants: "list[Variant]", with_origin: bool) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": recipe.name,
        "path": str(recipe.path),
        "overrides": list(recipe.overrides),
        "variants": {variant.name: variant.data for variant in variants},
    }
    if with_origin:
        content["origins"] = {
            variant.name: {dotted(path): origin for path, _, origin in _leaves(variant)} for variant in variants
        }
    return content


def _leaves(variant: "Variant") -> Iterator[tuple[tuple[str | int, ...], Any, str]]:
    """`(path, value, origin)` of each value that contains no value with an origin."""

    def walk(path: tuple[str | int, ...], value: Any) -> Iterator[tuple[tuple[str | int, ...], Any, str]]:
        steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        inner = [((*path, step), child) for step, child in steps if (*path, step) in variant.origins]
        if not inner:
            yield path, value, str(variant.origins[path])
        for below, child in inner:
            yield from walk(below, child)

    return walk((), variant.data)
