"""The files of a run that may be damaged: what each holds, and what is wrong with it.

Each function gives what it could read and a list of faults.

Raises:
    UnreadableError: nothing of the file can be used.
"""

import csv
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.runs.contents import Example, Looks, Rows, is_number

LARGEST = 1 << 30
"""No file is read that holds more bytes."""
COLUMNS = 60
"""So many columns of a metrics.csv are read."""


class UnreadableError(Exception):
    """A file is not what it should be; the message says how."""


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:79]}…"


def read_bytes(path: Path) -> tuple[bytes, list[str]]:
    if path.stat().st_size > LARGEST:
        raise UnreadableError(f"has {path.stat().st_size:,} bytes, more than a report reads")
    return path.read_bytes(), []


def read_object(path: Path) -> tuple[dict[str, Any], list[str]]:
    found = _parsed(read_bytes(path)[0])
    if not isinstance(found, dict):
        raise UnreadableError("holds no JSON object")
    return found, []


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content, parse_constant=lambda name: None)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is no whole JSON ({short(str(error))})") from error


def read_rows(path: Path) -> tuple[Rows, list[str]]:
    """Columns of a metrics.csv; rows and cells that are no numbers are left out and told."""
    text = read_bytes(path)[0].decode(errors="replace")
    lines, faults, bad = text.splitlines(keepends=True), [], 0
    if not lines or "step" not in lines[0].strip().split(","):
        raise UnreadableError("has no column `step`")
    if not lines[-1].endswith("\n"):
        faults.append("ends within a row")
        lines = lines[:-1] or [lines[0]]
    names = [name for name in dict.fromkeys(lines[0].strip().split(",")) if name not in ("", "step")]
    if len(names) > COLUMNS:
        faults.append(f"has {len(names)} columns, of which {COLUMNS} are shown")
    columns: Rows = {name: {} for name in names[:COLUMNS]}
    try:
        for row in csv.DictReader(lines):
            step = _number(row.get("step"))
            cells = [row.get(name) for name in columns]
            values = [_number(cell) for cell in cells]
            if step is None or not 0 <= step < 2**53 or step != int(step) or None in row:
                bad += 1
                continue
            bad += any(value is None and cell for cell, value in zip(cells, values, strict=True))
            for name, value in zip(columns, values, strict=True):
                if value is not None:
                    columns[name][int(step)] = value
    except csv.Error as error:
        faults.append(f"stops being a table: {error}")
    if bad:
        faults.append(f"has {bad} row{'s' * (bad > 1)} with something that is no finite number")
    found: Rows = {name: dict(sorted(values.items())) for name, values in columns.items() if values}
    return found, faults


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def read_examples(path: Path) -> tuple[list[Example], list[str]]:
    """Examples, a line each, up to the first line that is none: those after it would have another number."""
    found: list[Example] = []
    for number, line in enumerate(read_bytes(path)[0].splitlines(), 1):
        try:
            found.append(_example(_parsed(line)))
        except UnreadableError as error:
            return found, [f"line {number} {error}; it and those after it are left out"]
    return found, []


def _example(line: Any) -> Example:
    if not isinstance(line, dict):
        raise UnreadableError("holds no JSON object")
    source, target, predicted = (_symbols(line.get(key)) for key in ("source", "target", "predicted"))
    if source is None or target is None:
        raise UnreadableError("has no source and target as lists of symbols")
    if predicted is None and line.get("predicted") is not None:
        raise UnreadableError("has a prediction that is no list of symbols")
    judged, exact = all(isinstance(symbol, str) for symbol in line["target"]), line.get("exact")
    if predicted is None or not judged:
        exact = None
    elif not isinstance(exact, bool):  # a run from before it was written down
        exact = predicted == target
    score = line.get("score")
    correct, tokens = (_count(line.get(key)) for key in ("correct", "tokens"))
    return Example(source, target, predicted, score if is_number(score) else None, exact, judged, correct, tokens)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _symbols(value: Any) -> list[str] | None:
    """Symbols, or values as they are shown; None for anything else."""
    if not isinstance(value, list):
        return None
    found = [symbol if isinstance(symbol, str) else _shown_value(symbol) for symbol in value]
    return None if None in found else [symbol for symbol in found if symbol is not None]


def _shown_value(value: Any) -> str | None:
    """A vector: "0.5" of one number, "(0.5, 1)" of several."""
    numbers = value if isinstance(value, list) else [value]
    if not all(map(is_number, numbers)):
        return None
    shown = ", ".join(f"{number:.4g}" for number in numbers)
    return shown if len(numbers) == 1 else f"({shown})"


def read_looks(path: Path) -> tuple[Looks | None, list[str]]:
    """Weights and gold alignment of an .npz file; None for a model without attention."""
    arrays = _read_arrays(path)
    if "weights" not in arrays:
        return None, []
    weights, faults = arrays["weights"], []
    if weights.ndim != 4:
        raise UnreadableError(f"has weights of {weights.ndim} dimensions instead of 4")
    examples, heads, steps, memory = weights.shape
    if not heads:
        raise UnreadableError("has weights of no head")
    scale = arrays.get("scale", np.float32(255)).astype(np.float64)
    if scale.ndim and scale.shape != (examples, heads):
        raise UnreadableError("has a scale of another shape than its weights")
    weights = weights * (scale.reshape(*scale.shape, 1, 1) / 255)
    if not np.isfinite(weights).all() or (weights < 0).any():
        faults.append("has weights that are negative or not finite; they are shown as 0")
        weights = np.where(np.isfinite(weights) & (weights > 0), weights, 0)
    weights = np.minimum(weights, 1e30)
    mask = _shaped(arrays, "memory_mask", (examples, memory), True, faults).astype(bool)
    gold = _shaped(arrays, "gold", (examples, steps), -1, faults).astype(np.int64)
    right = arrays.get("right")
    if right is not None and (right.shape != (examples, steps) or right.dtype.kind not in "biu"):
        faults.append("has no `right` for its weights")
        right = None
    return Looks(weights.astype(np.float32), mask, gold, right), faults


def read_gates(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The arrays of an .npz file with gates, `[E, steps, units]` each; others are left out."""
    return {name: array for name, array in _read_arrays(path).items() if array.ndim == 3}, []


def _shaped(arrays: dict[str, Any], name: str, shape: tuple[int, ...], otherwise: Any, faults: list[str]) -> Any:
    """An array of this shape; of one that has more columns, the first; `otherwise` everywhere where there is none."""
    found = arrays.get(name)
    if (
        found is not None
        and found.dtype.kind in "biu"
        and found.ndim == 2
        and found.shape[0] == shape[0]
        and found.shape[1] >= shape[1]
    ):
        return found[:, : shape[1]]
    faults.append(f"has no `{name}` for its weights")
    return np.full(shape, otherwise)


def _read_arrays(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > LARGEST:
                raise UnreadableError(f"unpacks to more than {LARGEST:,} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, MemoryError) as error:
        raise UnreadableError(f"is no whole .npz file ({short(str(error))})") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableError(f"is no whole .npz file ({short(str(error))})") from error
    for name, array in found.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise UnreadableError(f"has `{name}` that holds no numbers")
    return found
