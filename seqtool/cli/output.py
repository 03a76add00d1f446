"""Output of verbs to stdout: tables and their notes, or one JSON object."""

import json
import math
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from seqtool.cli.tables import render
from seqtool.cli.verb_options import settings

FORMAT = 1


def emit_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object whose first key is `format`. NaN and infinity become null."""
    click.echo(json.dumps({"format": FORMAT, **finite(content)}, indent=2))


def emit_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in the format of `--format`; in a terminal, aligned text fits its width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo(render([heading, *rows], settings().table_format, width))


def emit_note(text: str) -> None:
    """Print a text that accompanies a table: to stderr if the table is not text, so that stdout is only tables."""
    click.echo(text, err=settings().table_format != "text")


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
