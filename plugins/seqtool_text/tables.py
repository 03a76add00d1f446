"""The requested columns of TSV, CSV, JSONL and Parquet files, row by row."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqtool.api import PartError
from seqtool_text.lines import numbered_lines

SUFFIXES = {".tsv": "tsv", ".txt": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}

Row = tuple[int, Sequence[str], str]
"""The number of a row, the texts of its columns, and its fault or ""."""


class RowFault(ValueError):  # noqa: N818
    """A fault of one row."""


@dataclass(frozen=True)
class Layout:
    """The layout of files; `columns` pairs each column, a name or a number from 1, with the option that sets it."""

    format: str
    header: bool
    quoted: bool | None
    columns: tuple[tuple[int | str, str], ...]

    def format_of(self, path: Path, option: str) -> str:
        """The format of a file, from its name unless the option is set."""
        if self.format != "auto":
            return self.format
        suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
        found = SUFFIXES.get(suffixes[-1].lower()) if suffixes else None
        if found is None:
            allowed = f"{', '.join(SUFFIXES)}, or the option format"
            raise PartError(f"the name of {str(path)!r} does not determine its format", option=option, allowed=allowed)
        return found


def rows(path: Path, option: str, layout: Layout) -> Iterator[Row]:
    """The rows of a file; empty lines are skipped.

    Raises:
        PartError: a column is missing, or an option does not apply to the format.
    """
    kind = layout.format_of(path, option)
    if kind in ("jsonl", "parquet"):
        for name, given in (("header", layout.header), ("quoted", layout.quoted)):
            if given:
                raise PartError(f"{name} does not apply to {kind}", option=name, allowed="tsv or csv")
    if kind == "jsonl":
        from seqtool_text.jsonl import jsonl_rows

        return jsonl_rows(path, layout)
    if kind == "parquet":
        from seqtool_text.parquet import parquet_rows

        return parquet_rows(path, option, layout.columns)
    quoted = kind == "csv" if layout.quoted is None else layout.quoted
    separator = "\t" if kind == "tsv" else ","
    return _fields(path, layout, _csv_splitter(separator) if quoted else lambda text: text.split(separator))


def _fields(path: Path, layout: Layout, split: Callable[[str], list[str]]) -> Iterator[Row]:
    """The rows of a table, which all have as many columns as the first."""
    indices: list[int] | None = None
    width = 0
    for number, text, fault in numbered_lines(path):
        if not text and not fault:
            continue
        try:
            if fault:
                raise RowFault(fault)
            fields = split(text)
        except RowFault as error:
            yield number, (), str(error)
            continue
        if indices is None:
            indices, width = _column_indices(layout, fields, path), len(fields)
            if layout.header:
                continue
        if len(fields) == width:
            yield number, [fields[i] for i in indices], ""
        else:
            yield number, (), f"{_count(len(fields), 'column')} instead of {width}"


def _column_indices(layout: Layout, first: list[str], path: Path) -> list[int]:
    """The indices of the columns, from 0."""
    found = []
    for column, option in layout.columns:
        if isinstance(column, str) and not layout.header:
            raise PartError(f"the column {column!r} is a name, but header is false", option=option)
        place = column - 1 if isinstance(column, int) else find_name(column, first, path, option)
        if place >= len(first):
            what = f"there is no column {column}: the first row of {path.name} has {_count(len(first), 'column')}"
            raise PartError(what, option=option, allowed=f"1 to {len(first)}; or set another format")
        found.append(place)
    return found


def find_name(column: str, names: list[str], path: Path, option: str) -> int:
    """The index of the column with this name."""
    if names.count(column) != 1:
        how = "several columns" if column in names else "no column"
        raise PartError(f"{path.name} has {how} called {column!r}", option=option, allowed=", ".join(names))
    return names.index(column)


def _csv_splitter(separator: str) -> Callable[[str], list[str]]:
    def split(text: str) -> list[str]:
        limit = csv.field_size_limit()
        if len(text) > limit:  # a setting of the whole process
            csv.field_size_limit(len(text))
        try:
            return next(csv.reader([text], delimiter=separator, strict=True))
        except csv.Error as error:
            raise RowFault(f"invalid quotes: {error}") from error
        finally:
            if len(text) > limit:
                csv.field_size_limit(limit)

    return split


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
