"""The rows of JSONL files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqtool_text.lines import numbered_lines
from seqtool_text.tables import Layout, Row, RowFault


def objects(path: Path, layout: Layout) -> Iterator[Row]:
    """JSON, a line an object (columns by name) or an array (columns by number)."""
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
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RowFault(f"not JSON: {error}") from error
    return [_value(whole, column) for column, _ in layout.columns]


def _value(whole: Any, column: int | str) -> str:
    if isinstance(column, str) and isinstance(whole, dict) and column in whole:
        found = whole[column]
    elif isinstance(column, int) and isinstance(whole, list) and column <= len(whole):
        found = whole[column - 1]
    else:
        raise RowFault(f"it has no {column!r}" if isinstance(column, str) else f"it has no item {column}")
    if not isinstance(found, str):
        raise RowFault(f"{column!r} holds no text")
    return found
