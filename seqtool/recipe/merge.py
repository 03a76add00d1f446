"""Merges recipes: mappings are merged deeply, lists and scalars are replaced, another `type` replaces the part."""

from dataclasses import replace

from seqtool.recipe.nodes import Node


def merge(base: Node, over: Node) -> Node:
    """Merge `over` into `base`.

    A name and a mapping with `type` are equivalent: `lstm` over `{type: lstm, hidden_size: 3}` keeps the size, and
    `gru` does not. `null` is kept, because its meaning depends on the option.
    """
    if over.entries is None:
        named = (base.entries or {}).get("type")
        keeps = isinstance(over.value, str) and named is not None and same_type(named, over)
        return replace(base, value={**(base.entries or {}), "type": over}) if keeps else over
    options = _as_part(base)
    if options is None:
        return over
    if "type" in over.entries and not ("type" in options and same_type(options["type"], over.entries["type"])):
        return over
    merged = dict(options)
    for name, node in over.entries.items():
        merged[name] = merge(options[name], node) if name in options else node
    return replace(base, value=merged)


def same_type(one: Node, other: Node) -> bool:
    """Whether two names refer to the same part, such as `gmm` and `attention:gmm`; short names are unique in a kind."""
    if one.value == other.value:
        return True
    if not isinstance(one.value, str) or not isinstance(other.value, str):
        return False
    short, canonical = sorted((one.value, other.value), key=lambda name: ":" in name)
    return ":" not in short and canonical.endswith(":" + short)


def _as_part(node: Node) -> dict[str, Node] | None:
    """The entries of a mapping, or `type` for a name; None for other values."""
    if isinstance(node.value, str):
        return {"type": node}
    return node.entries
