"""`--set a.b=c`: sets one value in every variant or in one."""

import shlex
from dataclasses import dataclass, replace

from seqtool.errors import Origin, Problem, RecipeError, dotted, nearest_name
from seqtool.recipe.loader import MAX_DEPTH, parse_text
from seqtool.recipe.merge import merge
from seqtool.recipe.nodes import Node, describe_node, relocate

_SHOWN = 3


@dataclass(frozen=True)
class Override:
    """One flag: the path, the value, and the variant (empty for all variants)."""

    steps: tuple[str, ...]
    value: Node
    variant: str = ""


def parse_override(flag: str) -> Override:
    """Parse `a.b=c`, split at the first `=`. The value is YAML; an empty value is null.

    Raises:
        RecipeError: the flag has another form, or sets something that cannot be set.
    """
    origin = Origin(f"--set {flag}")
    name, equals, text = flag.partition("=")
    steps = tuple(step.strip() for step in name.split("."))
    if not equals or not all(steps):
        raise RecipeError([Problem("expected NAME.NAME=VALUE", (), origin, allowed="--set train.steps=500")])
    if len(steps) > MAX_DEPTH:
        raise RecipeError([Problem(f"a path of more than {MAX_DEPTH} steps", (), origin)])
    try:
        node = parse_text(text, origin.source)
    except RecipeError as error:
        problems = [replace(problem, path=steps, origin=origin) for problem in error.problems]
        raise RecipeError(problems) from error
    value = Node(None, origin, origin) if node is None else relocate(node, origin)
    if steps[0] == "extends":
        raise RecipeError([Problem("extends cannot be set by --set", steps, origin)])
    if steps[0] != "variants":
        return Override(steps, value)
    if len(steps) < 3:
        message = "a variant cannot be set as a whole, only its values"
        raise RecipeError([Problem(message, steps, origin, allowed="--set variants.NAME.model.decoder.cell=gru")])
    return Override(steps[2:], value, steps[1])


def apply_override(root: Node, override: Override) -> Node:
    """Set the value in the tree of a variant.

    Raises:
        RecipeError: the path leads through a value that is not a mapping or list, or beyond the end of a list.
    """
    return merge(root, _overlay(root, override.steps, override, ()))


def check_variants(overrides: list[Override], variants: list[str]) -> list[Problem]:
    """The problems of overrides for variants that do not exist."""
    return [
        Problem(
            f"there is no variant {override.variant!r}",
            ("variants", override.variant),
            override.value.origin,
            allowed=", ".join(variants),
            nearest=nearest_name(override.variant, variants),
        )
        for override in overrides
        if override.variant and override.variant not in variants
    ]


def suggest_variants(problem: Problem, variants: list[str]) -> Problem:
    """The problem of a `--set` flag that applies to all variants, with flags that apply only to these variants."""
    source = problem.origin.source if problem.origin else ""
    flag = source.removeprefix("--set ")
    if flag == source or flag.startswith("variants.") or not variants:
        return problem
    flags = " ".join(f"--set {shlex.quote(f'variants.{name}.{flag}')}" for name in variants[:_SHOWN])
    return replace(problem, allowed=f"{problem.allowed}; for other variants {flags}".removeprefix("; "))


def _overlay(here: Node | None, steps: tuple[str, ...], override: Override, path: tuple[str, ...]) -> Node:
    if not steps:
        return override.value
    origin = override.value.origin
    step, rest = steps[0], steps[1:]
    if here is not None and isinstance(here.value, list):
        return _list_overlay(here, here.value, steps, override, path)
    if here is not None and not isinstance(here.value, dict | str | None):
        message = f"{dotted(path)} is {describe_node(here)}, so there is no {dotted((*path, step))}"
        raise RecipeError([Problem(message, override.steps, origin)])
    child = here.entries.get(step) if here is not None and here.entries else None
    return Node({step: _overlay(child, rest, override, (*path, step))}, origin, origin)


def _list_overlay(
    here: Node, items: list[Node], steps: tuple[str, ...], override: Override, path: tuple[str, ...]
) -> Node:
    step, rest = steps[0], steps[1:]
    index = int(step) if step.isascii() and step.isdigit() and len(step) < 6 else len(items)
    if index >= len(items):
        message = f"{dotted(path)} is a list of {len(items)}, so there is no {dotted((*path, step))}"
        allowed = f"0 to {len(items) - 1}" if items else ""
        raise RecipeError([Problem(message, override.steps, override.value.origin, allowed=allowed)])
    changed = list(items)
    changed[index] = merge(items[index], _overlay(items[index], rest, override, (*path, step)))
    return replace(here, value=changed)
