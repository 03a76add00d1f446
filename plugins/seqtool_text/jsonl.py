"""The rows of JSONL files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqtool_text.lines import numbered_lines
from seqtool_text.tables import Layout, Row, RowFault


def jsonl_rows(path: Path, layout: Layout) -> Iterator[Row]:
    """The rows of a file whose lines are JSON objects (columns by name) or arrays (columns by number)."""
    for number, text, fault in numbered_lines(path):
        if not text.strip() and not fault:
            continue
        try:
            if fault:
                raise RowFault(fault)
            yield number, _values(text, layout), ""
        except RowFault as error:
            yield number, (), str(error)


def _values(text: str, layout: Layout) -> list[str]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RowFault(f"not JSON: {error}") from error
    return [_value(data, column) for column, _ in layout.columns]


def _value(data: Any, column: int | str) -> str:
    if isinstance(column, str) and isinstance(data, dict) and column in data:
        value = data[column]
    elif isinstance(column, int) and isinstance(data, list) and column <= len(data):
        value = data[column - 1]
    else:
        raise RowFault(f"it has no {column!r}" if isinstance(column, str) else f"it has no item {column}")
    if not isinstance(value, str):
        raise RowFault(f"{column!r} is not text")
    return value
