"""Differences between resolved recipes."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

DEEPEST = 50


def differences(resolved: Mapping[str, str]) -> tuple[list[tuple[str, dict[str, str]]], list[str]]:
    """The values that differ, as `(dotted path, variant -> value)`, and the variants that cannot be read.

    A variant without the value has no entry.
    """
    flat, unreadable = {}, []
    for name, text in resolved.items():
        try:
            flat[name] = dict(_leaves("", _load(text), 0))
        except (yaml.YAMLError, ValueError, RecursionError):
            unreadable.append(name)
    paths = dict.fromkeys(path for values in flat.values() for path in values)
    rows = [(path, {name: values[path] for name, values in flat.items() if path in values}) for path in paths]
    return [(path, row) for path, row in rows if len(row) < len(flat) or len(set(row.values())) > 1], unreadable


def _load(text: str) -> Any:
    """Strings, lists and mappings. Raises: ValueError for aliases, which resolved recipes never have."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.BaseLoader)):
        raise ValueError("aliases")
    return yaml.load(text, yaml.BaseLoader)


def _leaves(path: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth > DEEPEST:
        raise ValueError("too deep")
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner, depth + 1)
    else:
        yield path, _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) + "}"
    return str(value)
