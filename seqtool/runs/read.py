"""Reads a run directory, complete or damaged, and lists what cannot be read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from seqtool.runs import FORMAT, RunDirectory, SeedDirectory
from seqtool.runs.contents import AttentionWeights, Run, Seed
from seqtool.runs.files import points_outside
from seqtool.runs.parse import (
    MAX_ARRAY_BYTES,
    UnreadableError,
    read_attention,
    read_bytes,
    read_examples,
    read_gates,
    read_object,
    read_rows,
)
from seqtool.runs.plan_file import MAX_LISTED, is_folder_name, is_seed, short_repr

MAX_RUN_ARRAY_BYTES = 1 << 30
"""The arrays of a run that need more memory in total are not read."""
Content = TypeVar("Content")


def read_run(path: Path) -> Run:
    """Read everything that can be read of the run directory `path`."""
    return RunReader(path).read()


class RunReader:
    """Reads the files of one run and collects problems."""

    def __init__(self, path: Path) -> None:
        self.run = Run(path)
        self.directory = RunDirectory(path)
        self.free_bytes = MAX_RUN_ARRAY_BYTES

    def read(self) -> Run:
        """Everything that can be read, and a list of problems."""
        run = self.run
        run.plan = self._object(self.directory.plan)
        if run.plan and run.plan.get("format") != FORMAT:
            self._report(self.directory.plan, f"has format {run.plan.get('format')!r}; this seqtool reads {FORMAT}")
        run.recipe = self._text(self.directory.recipe) or ""
        listed, seeds = self._listed_variants(), self._listed_seeds()
        for variant in dict.fromkeys([*listed, *self._existing_variants()]):
            run.resolved[variant] = self._text(self.directory.resolved(variant)) or ""
            numbers = {*(seeds if variant in listed else ()), *self._existing_seeds(variant)}
            run.variants[variant] = [self.read_seed(variant, number) for number in sorted(numbers)]
        return run

    def _listed_variants(self) -> list[str]:
        """The variants that run.json lists."""
        return self._listed("variants", is_folder_name)

    def _listed_seeds(self) -> list[int]:
        return self._listed("seeds", is_seed)

    def _listed(self, key: str, valid: Callable[[Any], bool]) -> list[Any]:
        names = self.run.plan.get(key, [])
        usable = isinstance(names, list) and len(names) <= MAX_LISTED
        wrong = [name for name in names if not valid(name)] if usable else [names]
        if wrong:
            self._report(self.directory.plan, f"has invalid {key}: {short_repr(wrong[0])}")
        return [name for name in names if valid(name)] if usable else []

    def _existing_variants(self) -> list[str]:
        """The folders that contain seeds, whether or not run.json lists them."""
        return sorted(
            {path.parent.name for path in _children(self.run.path, "*/seed*") if _seed_number(path) is not None}
        )

    def _existing_seeds(self, variant: str) -> list[int]:
        numbers = map(_seed_number, _children(self.run.path / variant, "seed*"))
        return [number for number in numbers if number is not None]

    def read_seed(self, variant: str, number: int) -> Seed:
        """Read the files of one seed."""
        directory = self.directory.seed(variant, number)
        seed = Seed(variant, number, finished=directory.finished)
        if not directory.path.is_dir():
            self.run.notes.append(f"{variant}, seed {number}: not started")
            return seed
        if seed.finished:
            seed.result = self._object(directory.result)
        else:
            self.run.notes.append(f"{variant}, seed {number}: not finished")
        seed.environment = self._object(directory.path / "environment.json")
        seed.rows = self._try_read(directory.metrics, read_rows) or {}
        if seed.finished or directory.predictions.exists():
            seed.examples = self._try_read(directory.predictions, read_examples) or []
            seed.attention = self._attention(directory.alignments)
        if directory.gates.exists():
            seed.gates = self._try_read(directory.gates, partial(read_gates, limit=self._limit)) or {}
            self.free_bytes -= sum(array.nbytes for array in seed.gates.values())
        self._read_snapshots(directory, seed)
        if directory.interventions.exists():
            seed.interventions = self._object(directory.interventions)
        return seed

    def _read_snapshots(self, directory: SeedDirectory, seed: Seed) -> None:
        if not directory.snapshots.is_dir():
            return
        if directory.snapshot_examples.exists():
            seed.snapshot_examples = self._try_read(directory.snapshot_examples, read_examples) or []
        for step in directory.snapshot_steps():
            attention = self._attention(directory.snapshot(step))
            if attention is not None:
                seed.snapshots[step] = attention

    @property
    def _limit(self) -> int:
        """Bytes of memory that the arrays of the next file may need."""
        return min(MAX_ARRAY_BYTES, self.free_bytes)

    def _attention(self, path: Path) -> AttentionWeights | None:
        found = self._try_read(path, partial(read_attention, limit=self._limit))
        if found is not None:
            self.free_bytes -= found.weights.nbytes + found.memory_mask.nbytes + found.gold.nbytes
        return found

    def _object(self, path: Path) -> dict[str, Any]:
        return self._try_read(path, read_object) or {}

    def _text(self, path: Path) -> str | None:
        found = self._try_read(path, read_bytes)
        return None if found is None else found.decode(errors="replace")

    def _try_read(self, path: Path, read: Callable[[Path], tuple[Content, list[str]]]) -> Content | None:
        """The result of `read` for a file; None, with an entry in `problems`, if it cannot be read."""
        try:
            if points_outside(path, self.run.path):
                raise UnreadableError("is reached through a symbolic link that leads out of the run")
            if path.exists() and not path.is_file():
                raise UnreadableError("is not a file")
            found, faults = read(path)
        except FileNotFoundError:
            self._report(path, "is missing")
        except OSError as error:
            self._report(path, f"cannot be opened: {error.strerror or error}")
        except UnreadableError as error:
            self._report(path, str(error))
        else:
            for fault in faults:
                self._report(path, fault)
            return found
        return None

    def _report(self, path: Path, fault: str) -> None:
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
