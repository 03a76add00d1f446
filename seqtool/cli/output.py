"""What verbs write to stdout: aligned columns for people, one JSON object for machines."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import wcwidth

FORMAT = 1


def emit_json(content: Mapping[str, Any]) -> None:
    """One object, its `format` first. JSON has no NaN and no infinity: they become null."""
    click.echo(json.dumps({"format": FORMAT, **finite(content)}, indent=2))


def emit_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Left-aligned columns; a wide character takes two places."""
    lines = [heading, *rows]
    widths = [max(wcwidth.width(line[column]) for line in lines) for column in range(len(heading))]
    for line in lines:
        click.echo("  ".join(wcwidth.ljust(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip())


def finite(value: Any) -> Any:
    """The same with null in the place of numbers that JSON lacks."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
