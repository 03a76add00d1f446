"""The rows of a data set by its name on the Hugging Face hub, or of a folder that its library reads."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from seqtool.api import PartError, Split
from seqtool_text.tables import Layout, Row, find_name

HUB = "hub://"
SPLITS: dict[Split, str] = {"train": "train", "valid": "validation", "test": "test"}
"""What the hub calls them."""
DETAILS = ("config", "split", "revision")


class Address(NamedTuple):
    """What `hub://NAME?config=...&split=...&revision=...` says."""

    name: str
    details: Mapping[str, str]


def hub_rows(text: str, option: Split, layout: Layout) -> Iterator[Row]:
    """The texts of its columns; rows are numbered from 1.

    Raises:
        PartError: it cannot be had, has no such columns, or they hold no texts; or options that it has no use for.
    """
    for name, given in (("header", layout.header), ("quoted", layout.quoted), ("format", layout.format != "auto")):
        if given:
            raise PartError(f"a data set of the hub has no such thing as {name}", option=name, allowed="a file")
    data = _loaded(_address(text, option), option)
    paths = [_path(column, list(data.column_names), text, which) for column, which in layout.columns]
    wanted = data.select_columns(list(dict.fromkeys(path[0] for path in paths)))
    for number, row in enumerate(wanted, start=1):
        values = [_value(row, path) for path in paths]
        whole = [value for value in values if isinstance(value, str)]
        if len(whole) == len(values):
            yield number, whole, ""
        else:
            place = [isinstance(value, str) for value in values].index(False)
            yield number, (), f"{'.'.join(paths[place])!r} holds no text"


def _address(text: str, option: Split) -> Address:
    name, _, asked = text.removeprefix(HUB).partition("?")
    try:
        details = dict(parse_qsl(asked, strict_parsing=True)) if asked else {}
    except ValueError as error:
        raise PartError(f"{text!r} is no address: {error}", option=option, allowed=f"{HUB}NAME?split=...") from error
    strange = [detail for detail in details if detail not in DETAILS]
    if strange or not name:
        what = f"has a {strange[0]!r}" if strange else "names no data set"
        raise PartError(f"{text!r} {what}", option=option, allowed=f"{HUB}NAME, then {', '.join(DETAILS)}")
    return Address(unquote(name), {"split": SPLITS[option]} | details)


def _loaded(address: Address, option: Split) -> Any:
    try:
        import datasets
        from datasets.exceptions import DatasetsError
    except ImportError as error:
        message = "the hub is read by datasets, which is not installed: pip install 'seqtool[hub]'"
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
    """The keys that lead to a column; a dot parts the names of one within another: `translation.de`."""
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
