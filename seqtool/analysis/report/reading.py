"""What can be read of a run directory, whole or not, and a plain list of what cannot."""

import csv
import json
import math
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.rundir import FORMAT, RunDirectory, SeedDirectory

Rows = dict[str, dict[int, float]]
"""Column -> step -> value; a value that is empty or not finite is left out."""

LARGEST = 1 << 30
"""No file is read that holds more bytes."""


@dataclass
class Example:
    """One validation example. `predicted` is None where it is not known yet."""

    source: list[str]
    target: list[str]
    predicted: list[str] | None = None
    score: float | None = None
    exact: bool | None = None


@dataclass
class Looks:
    """Where a model looked in the first examples: `weights [E, N, T, S]`, `memory_mask [E, S]`, `gold [E, T]`.

    `right [E, T]` where each symbol was judged alone, as under teacher forcing.
    """

    weights: Any
    memory_mask: Any
    gold: Any
    right: Any = None


@dataclass
class Seed:
    """What one seed of one variant left, as far as it can be read."""

    variant: str
    seed: int
    finished: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    looks: Looks | None = None
    watched: list[Example] = field(default_factory=list)
    snapshots: dict[int, Looks] = field(default_factory=dict)
    interventions: dict[str, Any] = field(default_factory=dict)

    def has_looks(self, example: int) -> bool:
        """Whether the weights of this example, and what it is, can be read."""
        return self.looks is not None and example < min(len(self.looks.weights), len(self.examples))


@dataclass
class Run:
    """A run directory. `problems` says what could not be read, `notes` what is not there yet."""

    path: Path
    plan: dict[str, Any] = field(default_factory=dict)
    recipe: str = ""
    resolved: dict[str, str] = field(default_factory=dict)
    variants: dict[str, list[Seed]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> list[Seed]:
        return [seed for seeds in self.variants.values() for seed in seeds]


class UnreadableError(Exception):
    """A file is not what it should be; the message says how."""


class Reader:
    """Reads the files of one run, and keeps what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self.run = Run(path)
        self.directory = RunDirectory(path)

    def read(self) -> Run:
        """All that can be read."""
        run = self.run
        run.plan = self._object(run.path / "run.json")
        if run.plan and run.plan.get("format") != FORMAT:
            self._tell(run.path / "run.json", f"is of format {run.plan.get('format')!r}, this seqtool reads {FORMAT}")
        run.recipe = self._text(run.path / "recipe.yaml") or ""
        planned = self._planned()
        for variant in dict.fromkeys([*planned, *self._found()]):
            run.resolved[variant] = self._text(self.directory.resolved(variant)) or ""
            numbers = {*self._planned_seeds(variant in planned), *self._found_seeds(variant)}
            run.variants[variant] = [self._seed(variant, number) for number in sorted(numbers)]
        return run

    def _planned(self) -> list[str]:
        """The variants that run.json names."""
        names = self.run.plan.get("variants", [])
        wrong = [name for name in names if not _is_folder_name(name)] if isinstance(names, list) else [names]
        if wrong:
            self._tell(self.run.path / "run.json", f"names a variant that cannot be one: {_short(wrong[0])}")
        return [name for name in names if name not in wrong] if isinstance(names, list) else []

    def _planned_seeds(self, planned: bool) -> list[int]:
        seeds = self.run.plan.get("seeds", []) if planned else []
        if not isinstance(seeds, list) or any(type(seed) is not int or seed < 0 for seed in seeds):
            message = f"{self._name(self.run.path / 'run.json')} names seeds that cannot be any: {_short(seeds)}"
            self.run.problems += [message] if message not in self.run.problems else []
            return []
        return seeds

    def _found(self) -> list[str]:
        """The folders that hold seeds, whatever run.json says."""
        return sorted(
            {path.parent.name for path in _children(self.run.path, "*/seed*") if _seed_number(path) is not None}
        )

    def _found_seeds(self, variant: str) -> list[int]:
        numbers = map(_seed_number, _children(self.run.path / variant, "seed*"))
        return [number for number in numbers if number is not None]

    def _seed(self, variant: str, number: int) -> Seed:
        place = self.directory.seed(variant, number)
        seed = Seed(variant, number, finished=place.finished)
        if not place.path.is_dir():
            self.run.notes.append(f"{variant}, seed {number}: not begun")
            return seed
        if seed.finished:
            seed.result = self._object(place.result)
        else:
            self.run.notes.append(f"{variant}, seed {number}: not finished")
        seed.environment = self._object(place.path / "environment.json")
        seed.rows = self._guarded(place.metrics, _read_rows) or {}
        if seed.finished or place.predictions.exists():
            seed.examples = self._guarded(place.predictions, _read_examples) or []
            seed.looks = self._guarded(place.alignments, _read_looks)
        self._read_snapshots(place, seed)
        interventions = place.path / "interventions.json"
        if interventions.exists():
            seed.interventions = self._object(interventions)
        return seed

    def _read_snapshots(self, place: SeedDirectory, seed: Seed) -> None:
        if not place.snapshots.is_dir():
            return
        if place.snapshot_examples.exists():
            seed.watched = self._guarded(place.snapshot_examples, _read_examples) or []
        for step in place.snapshot_steps():
            looks = self._guarded(place.snapshot(step), _read_looks)
            if looks is not None:
                seed.snapshots[step] = looks

    def _object(self, path: Path) -> dict[str, Any]:
        return self._guarded(path, _read_object) or {}

    def _text(self, path: Path) -> str | None:
        found = self._guarded(path, _read_bytes)
        return None if found is None else found.decode(errors="replace")

    def _guarded(self, path: Path, read: Any) -> Any:
        """What `read` gives for a file; None, and a line among the problems, where it cannot be read."""
        try:
            found, faults = read(path)
        except FileNotFoundError:
            self._tell(path, "is missing")
        except OSError as error:
            self._tell(path, f"cannot be opened: {error.strerror or error}")
        except UnreadableError as error:
            self._tell(path, str(error))
        else:
            for fault in faults:
                self._tell(path, fault)
            return found
        return None

    def _tell(self, path: Path, fault: str) -> None:
        self.run.problems.append(f"{self._name(path)} {fault}")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.run.path).as_posix()


def _children(folder: Path, pattern: str) -> list[Path]:
    try:
        return [path for path in folder.glob(pattern) if path.is_dir()]
    except OSError:
        return []


def _seed_number(path: Path) -> int | None:
    digits = path.name.removeprefix("seed")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None


def _is_folder_name(name: Any) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and not {"/", "\\", "\0"} & set(name)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:79]}…"


def _read_bytes(path: Path) -> tuple[bytes, list[str]]:
    if path.stat().st_size > LARGEST:
        raise UnreadableError(f"has {path.stat().st_size:,} bytes, more than a report reads")
    return path.read_bytes(), []


def _read_object(path: Path) -> tuple[dict[str, Any], list[str]]:
    found = _parsed(_read_bytes(path)[0])
    if not isinstance(found, dict):
        raise UnreadableError("holds no JSON object")
    return found, []


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content, parse_constant=lambda name: None)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is no whole JSON ({_short(str(error))})") from error


def _read_rows(path: Path) -> tuple[Rows, list[str]]:
    """Columns of a metrics.csv; rows and cells that are no numbers are left out and told."""
    text = _read_bytes(path)[0].decode(errors="replace")
    lines, faults, found, bad = text.splitlines(keepends=True), [], {}, 0
    if not lines or "step" not in lines[0].strip().split(","):
        raise UnreadableError("has no column `step`")
    if not lines[-1].endswith("\n"):
        faults.append("ends within a row")
        lines = lines[:-1] or [lines[0]]
    columns: Rows = {name: {} for name in lines[0].strip().split(",") if name not in ("", "step")}
    try:
        for row in csv.DictReader(lines):
            step = _number(row.get("step"))
            cells = [row.get(name) for name in columns]
            values = [_number(cell) for cell in cells]
            if step is None or step < 0 or step != int(step) or None in row:
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
    found = {name: dict(sorted(values.items())) for name, values in columns.items() if values}
    return found, faults


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _read_examples(path: Path) -> tuple[list[Example], list[str]]:
    """Examples, a line each, up to the first line that is none: those after it would have another number."""
    found: list[Example] = []
    for number, line in enumerate(_read_bytes(path)[0].splitlines(), 1):
        try:
            found.append(_example(_parsed(line)))
        except UnreadableError as error:
            return found, [f"line {number} {error}; it and those after it are left out"]
    return found, []


def _example(line: Any) -> Example:
    if not isinstance(line, dict) or not all(_is_symbols(line.get(key)) for key in ("source", "target")):
        raise UnreadableError("has no source and target as lists of symbols")
    predicted, exact, score = line.get("predicted"), line.get("exact"), line.get("score")
    if predicted is not None and not _is_symbols(predicted):
        raise UnreadableError("has a prediction that is no list of symbols")
    if predicted is not None and not isinstance(exact, bool):  # a run from before it was written down
        exact = predicted == line["target"]
    value = score if isinstance(score, int | float) and math.isfinite(score) else None
    return Example(line["source"], line["target"], predicted, value, exact)


def _is_symbols(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(symbol, str) for symbol in value)


def _read_looks(path: Path) -> tuple[Looks | None, list[str]]:
    """Weights and gold alignment of an .npz file; None for a model without attention."""
    arrays = _read_arrays(path)
    if "weights" not in arrays:
        return None, []
    weights, faults = arrays["weights"], []
    if weights.ndim != 4:
        raise UnreadableError(f"has weights of {weights.ndim} dimensions instead of 4")
    examples, heads, steps, memory = weights.shape
    scale = arrays.get("scale", np.float32(255)).astype(np.float64)
    if scale.ndim and scale.shape != (examples, heads):
        raise UnreadableError("has a scale of another shape than its weights")
    weights = weights * (scale.reshape(*scale.shape, 1, 1) / 255)
    if not np.isfinite(weights).all() or (weights < 0).any():
        faults.append("has weights that are negative or not finite; they are shown as 0")
        weights = np.where(np.isfinite(weights) & (weights > 0), weights, 0)
    mask = _shaped(arrays, "memory_mask", (examples, memory), True, faults).astype(bool)
    gold = _shaped(arrays, "gold", (examples, steps), -1, faults).astype(np.int64)
    right = arrays.get("right")
    if right is not None and right.shape != (examples, steps):
        faults.append("has `right` of another shape than its weights")
        right = None
    return Looks(weights.astype(np.float32), mask, gold, right), faults


def _shaped(arrays: dict[str, Any], name: str, shape: tuple[int, ...], otherwise: Any, faults: list[str]) -> Any:
    """An array of this shape; of one that has more columns, the first; `otherwise` everywhere where there is none."""
    found = arrays.get(name)
    if found is not None and found.ndim == 2 and found.shape[0] == shape[0] and found.shape[1] >= shape[1]:
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
        raise UnreadableError(f"is no whole .npz file ({_short(str(error))})") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableError(f"is no whole .npz file ({_short(str(error))})") from error
    for name, array in found.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise UnreadableError(f"has `{name}` that holds no numbers")
    return found
