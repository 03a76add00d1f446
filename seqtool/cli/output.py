"""Output of verbs to stdout: a table of aligned columns, or one JSON object."""

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import wcwidth

FORMAT = 1


def emit_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object whose first key is `format`. NaN and infinity become null."""
    click.echo(json.dumps({"format": FORMAT, **finite(content)}, indent=2))


def emit_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print left-aligned columns; a wide character counts as two."""
    lines = [heading, *rows]
    widths = [max(wcwidth.width(line[column]) for line in lines) for column in range(len(heading))]
    for line in lines:
        click.echo("  ".join(wcwidth.ljust(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip())


def can_print(text: str) -> bool:
    """Whether the encoding of stdout has all characters of a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def finite(value: Any) -> Any:
    """Replace NaN and infinity by None."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
