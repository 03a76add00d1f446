"""The rows of a data set of the Hugging Face hub, or of a folder that `datasets` saved."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from seqtool.api import PartError, Split
from seqtool_text.tables import Layout, Row, find_name

HUB = "hub://"
SPLITS: dict[Split, str] = {"train": "train", "valid": "validation", "test": "test"}
"""The names of the splits on the hub."""
DETAILS = ("config", "split", "revision")


class Address(NamedTuple):
    """A parsed `hub://NAME?config=...&split=...&revision=...`."""

    name: str
    details: Mapping[str, str]


def hub_rows(text: str, option: Split, layout: Layout) -> Iterator[Row]:
    """The texts of the columns of a data set; rows are numbered from 1.

    Raises:
        PartError: it cannot be loaded or lacks a column, or an option does not apply.
    """
    for name, given in (("header", layout.header), ("quoted", layout.quoted), ("format", layout.format != "auto")):
        if given:
            raise PartError(f"{name} does not apply to a data set of the hub", option=name, allowed="a file")
    data = _load(_address(text, option), option)
    paths = [_path(column, list(data.column_names), text, which) for column, which in layout.columns]
    wanted = data.select_columns(list(dict.fromkeys(path[0] for path in paths)))
    for number, row in enumerate(wanted, start=1):
        values = [_value(row, path) for path in paths]
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) == len(values):
            yield number, texts, ""
        else:
            place = [isinstance(value, str) for value in values].index(False)
            yield number, (), f"{'.'.join(paths[place])!r} is not text"


def _address(text: str, option: Split) -> Address:
    name, _, query = text.removeprefix(HUB).partition("?")
    try:
        details = dict(parse_qsl(query, strict_parsing=True)) if query else {}
    except ValueError as error:
        raise PartError(
            f"{text!r} is not an address: {error}", option=option, allowed=f"{HUB}NAME?split=..."
        ) from error
    unknown = [detail for detail in details if detail not in DETAILS]
    if unknown or not name:
        what = f"has an unknown {unknown[0]!r}" if unknown else "names no data set"
        raise PartError(f"{text!r} {what}", option=option, allowed=f"{HUB}NAME, then {', '.join(DETAILS)}")
    return Address(unquote(name), {"split": SPLITS[option]} | details)


def _load(address: Address, option: Split) -> Any:
    try:
        import datasets
        from datasets.exceptions import DatasetsError
    except ImportError as error:
        message = "the hub is read with datasets, which is not installed: pip install 'seqtool[hub]'"
        raise PartError(message, option=option) from error
    name, details = address
    folder = Path(name)
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            saved = datasets.load_from_disk(name)
            return saved[details["split"]] if isinstance(saved, datasets.DatasetDict) else saved
        return datasets.load_dataset(
            name, details.get("config"), split=details["split"], revision=details.get("revision")
        )
    except KeyError as error:
        raise PartError(f"{name!r} has no split {error}", option=option, allowed=", ".join(saved)) from error
    except (OSError, ValueError, DatasetsError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise PartError(f"cannot read the data set {name!r} of the hub: {why}", option=option) from error


def _path(column: int | str, names: list[str], text: str, option: str) -> list[str]:
    """The keys of a column; a dot separates the names of nested columns: `translation.de`."""
    if isinstance(column, int):
        if column > len(names):
            raise PartError(f"there is no column {column}: {text} has {len(names)}", option=option)
        return [names[column - 1]]
    path = [column] if column in names else column.split(".")
    return [names[find_name(path[0], names, Path(text), option)], *path[1:]]


def _value(row: Any, path: Sequence[str]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, Mapping) else None
    return row
