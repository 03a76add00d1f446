"""Parsers for the files of a run, which may be damaged.

Each function returns what it could read and a list of faults.

Raises:
    UnreadableError: no part of the file can be used.
"""

import csv
import io
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.runs.contents import AttentionWeights, Example, Rows, is_number
from seqtool.runs.plan_file import short_repr

MAX_BYTES = 1 << 26
"""Larger text files are not read."""
MAX_JSON_BYTES = 1 << 24
"""Longer JSON objects are not read."""
MAX_EXAMPLES = 10_000
"""Number of examples read from a file."""
MAX_ARRAY_BYTES = 1 << 28
"""Arrays of a file that need more memory are not read."""
MAX_COLUMNS = 60
"""Number of columns read from metrics.csv."""


class UnreadableError(Exception):
    """A file cannot be used; the message says why."""


def read_bytes(path: Path) -> tuple[bytes, list[str]]:
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableError(f"has {path.stat().st_size:,} bytes, more than the limit of {MAX_BYTES:,}")
    return path.read_bytes(), []


def read_object(path: Path) -> tuple[dict[str, Any], list[str]]:
    found = _parsed(read_bytes(path)[0])
    if not isinstance(found, dict):
        raise UnreadableError("contains no JSON object")
    return found, []


def _parsed(content: bytes) -> Any:
    if len(content) > MAX_JSON_BYTES:
        raise UnreadableError(f"has {len(content):,} bytes of JSON, more than the limit of {MAX_JSON_BYTES:,}")
    try:
        return json.loads(content, parse_constant=lambda name: None)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is not valid JSON ({short_repr(str(error))})") from error


def read_rows(path: Path) -> tuple[Rows, list[str]]:
    """The columns of metrics.csv. Rows and cells that are not numbers are omitted and reported."""
    text = read_bytes(path)[0].decode(errors="replace")
    heading, faults, bad = text.partition("\n")[0].strip().split(","), [], 0
    if "step" not in heading:
        raise UnreadableError("has no column `step`")
    if not text.endswith("\n"):
        faults.append("ends with an incomplete row")
        text = text[: text.rfind("\n") + 1] or text
    names = [name for name in dict.fromkeys(heading) if name not in ("", "step")]
    if len(names) > MAX_COLUMNS:
        faults.append(f"has {len(names)} columns, of which {MAX_COLUMNS} are shown")
    columns: Rows = {name: {} for name in names[:MAX_COLUMNS]}
    try:
        for row in csv.DictReader(io.StringIO(text)):
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
        faults.append(f"is not a valid table: {error}")
    if bad:
        faults.append(f"has {bad} row{'s' * (bad > 1)} with a value that is not a finite number")
    found: Rows = {name: dict(sorted(values.items())) for name, values in columns.items() if values}
    return found, faults


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def read_examples(path: Path) -> tuple[list[Example], list[str]]:
    """One example per line, up to the first invalid line, so that examples keep their line numbers."""
    found: list[Example] = []
    for number, line in enumerate(io.BytesIO(read_bytes(path)[0]), 1):
        if number > MAX_EXAMPLES:
            return found, [f"has more than {MAX_EXAMPLES:,} examples; the others are omitted"]
        try:
            found.append(_example(_parsed(line)))
        except UnreadableError as error:
            return found, [f"line {number} {error}; it and all later lines are omitted"]
    return found, []


def _example(line: Any) -> Example:
    if not isinstance(line, dict):
        raise UnreadableError("contains no JSON object")
    source, target, predicted = (_symbols(line.get(key)) for key in ("source", "target", "predicted"))
    if source is None or target is None:
        raise UnreadableError("has no lists of symbols as source and target")
    if predicted is None and line.get("predicted") is not None:
        raise UnreadableError("has a prediction that is not a list of symbols")
    symbolic, exact = all(isinstance(symbol, str) for symbol in line["target"]), line.get("exact")
    if predicted is None or not symbolic:
        exact = None
    elif not isinstance(exact, bool):  # runs written before the field existed
        exact = predicted == target
    score = line.get("score")
    correct, tokens = (_count(line.get(key)) for key in ("correct", "tokens"))
    return Example(source, target, predicted, score if is_number(score) else None, exact, symbolic, correct, tokens)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _symbols(value: Any) -> list[str] | None:
    """Symbols, or continuous values formatted for display; None for anything else."""
    if not isinstance(value, list):
        return None
    found = [symbol if isinstance(symbol, str) else _format_vector(symbol) for symbol in value]
    return None if None in found else [symbol for symbol in found if symbol is not None]


def _format_vector(value: Any) -> str | None:
    """Format a number as "0.5" and a vector as "(0.5, 1)"; None for anything else."""
    numbers = value if isinstance(value, list) else [value]
    if not all(map(is_number, numbers)):
        return None
    text = ", ".join(f"{number:.4g}" for number in numbers)
    return text if len(numbers) == 1 else f"({text})"


def read_attention(path: Path, limit: int = MAX_ARRAY_BYTES) -> tuple[AttentionWeights | None, list[str]]:
    """Attention weights and gold alignment of an .npz file; None for a model without attention.

    `limit`: bytes of memory that the arrays may need.
    """
    arrays = _read_arrays(path, limit)
    if "weights" not in arrays:
        return None, []
    weights, faults = arrays["weights"], []
    if weights.ndim != 4:
        raise UnreadableError(f"has weights with {weights.ndim} dimensions instead of 4")
    examples, heads, steps, memory = weights.shape
    if not heads:
        raise UnreadableError("has weights without heads")
    scale = arrays.get("scale", np.float32(255)).astype(np.float64)
    if scale.ndim and scale.shape != (examples, heads):
        raise UnreadableError("has a scale whose shape does not match its weights")
    with np.errstate(over="ignore", invalid="ignore"):
        weights = weights.astype(np.float32)
        weights *= (scale.reshape(*scale.shape, 1, 1) / 255).astype(np.float32)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        faults.append("has weights that are negative or not finite; they are replaced by 0")
        weights[wrong] = 0
    np.minimum(weights, 1e30, out=weights)
    mask = _shaped(arrays, "memory_mask", (examples, memory), True, faults).astype(bool)
    gold = _shaped(arrays, "gold", (examples, steps), -1, faults).astype(np.int64)
    correct = arrays.get("right")
    if correct is not None and (correct.shape != (examples, steps) or correct.dtype.kind not in "biu"):
        faults.append("has no valid `right` for its weights")
        correct = None
    return AttentionWeights(weights, mask, gold, correct), faults


def read_gates(path: Path, limit: int = MAX_ARRAY_BYTES) -> tuple[dict[str, Any], list[str]]:
    """The gates in an .npz file, `[E, steps, units]` each. Other arrays are omitted. `limit`: see `read_attention`."""
    return {name: array for name, array in _read_arrays(path, limit).items() if array.ndim == 3}, []


def _shaped(arrays: dict[str, Any], name: str, shape: tuple[int, ...], default: Any, faults: list[str]) -> Any:
    """The array `name`, cut to `shape`; filled with `default` if it is missing or does not fit."""
    found = arrays.get(name)
    if (
        found is not None
        and found.dtype.kind in "biu"
        and found.ndim == 2
        and found.shape[0] == shape[0]
        and found.shape[1] >= shape[1]
    ):
        return found[:, : shape[1]]
    faults.append(f"has no valid `{name}` for its weights")
    return np.full(shape, default)


def _read_arrays(path: Path, limit: int) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as packed:
            needed = sum(_array_bytes(packed, entry) for entry in packed.infolist())
        if needed > limit:
            raise UnreadableError(f"needs {needed:,} bytes of memory, more than the limit of {limit:,}")
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (
        ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise UnreadableError(f"is not a valid .npz file ({short_repr(str(error))})") from error
    for name, array in found.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise UnreadableError(f"has an array `{name}` that is not numeric")
    return found


def _array_bytes(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """The memory that an array needs as float32 or wider, from the header of its .npy file."""
    with packed.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    if any(size < 0 for size in shape):
        raise ValueError("a negative size")
    return math.prod(shape) * max(dtype.itemsize, 4)
