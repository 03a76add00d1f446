"""The rows of a Parquet file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqtool.api import PartError
from seqtool_text.tables import Row, find_name

CHUNK_SIZE = 10_000
"""Rows that are read together."""


def parquet_rows(path: Path, option: str, columns: Sequence[tuple[int | str, str]]) -> Iterator[Row]:
    """The texts of the columns; rows are numbered from 1.

    Raises:
        PartError: pyarrow is not installed, the file is not Parquet, or a column is missing or not text.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        message = "Parquet is read with pyarrow, which is not installed: pip install 'seqtool[text]'"
        raise PartError(message, option=option) from error
    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            wanted = [_name(column, names, path, which) for column, which in columns]
            for name, (_, which) in zip(wanted, columns, strict=True):
                if not _is_text(pyarrow, file.schema_arrow.field(names.index(name)).type):
                    raise PartError(f"the column {name!r} of {path.name} is not text", option=which)
            number = 0
            for batch in file.iter_batches(CHUNK_SIZE, columns=list(dict.fromkeys(wanted))):
                texts = [batch.column(batch.schema.names.index(name)).to_pylist() for name in wanted]
                for values in zip(*texts, strict=True):
                    number += 1
                    yield (number, (), "an empty cell") if None in values else (number, values, "")
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        why = str(error).partition("\n")[0]
        raise PartError(f"cannot read {str(path)!r} as Parquet: {why}", option=option) from error


def _name(column: int | str, names: list[str], path: Path, option: str) -> str:
    if isinstance(column, str):
        return names[find_name(column, names, path, option)]
    if column > len(names):
        raise PartError(f"there is no column {column}: {path.name} has {len(names)}", option=option)
    return names[column - 1]


def _is_text(pyarrow: object, kind: object) -> bool:
    types = pyarrow.types  # type: ignore[attr-defined]
    if types.is_dictionary(kind):
        kind = kind.value_type  # type: ignore[attr-defined]
    views = getattr(types, "is_string_view", None)  # since pyarrow 16
    return types.is_string(kind) or types.is_large_string(kind) or bool(views and views(kind))
