"""Reads a run directory, whole or not, and keeps a plain list of what cannot be read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from seqtool.runs import FORMAT, RunDirectory, SeedDirectory
from seqtool.runs.contents import Run, Seed
from seqtool.runs.parse import (
    UnreadableError,
    read_bytes,
    read_examples,
    read_gates,
    read_looks,
    read_object,
    read_rows,
    short,
)

MOST = 1000
"""More variants or seeds than that are not looked for by their names in run.json."""
Content = TypeVar("Content")


class Reader:
    """Reads the files of one run, and keeps what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self.run = Run(path)
        self.directory = RunDirectory(path)

    def read(self) -> Run:
        """All that can be read, and what is wrong with the rest."""
        run = self.run
        run.plan = self._object(run.path / "run.json")
        if run.plan and run.plan.get("format") != FORMAT:
            self._tell(run.path / "run.json", f"is of format {run.plan.get('format')!r}, this seqtool reads {FORMAT}")
        run.recipe = self._text(run.path / "recipe.yaml") or ""
        planned, seeds = self._planned(), self._planned_seeds()
        for variant in dict.fromkeys([*planned, *self._found()]):
            run.resolved[variant] = self._text(self.directory.resolved(variant)) or ""
            numbers = {*(seeds if variant in planned else ()), *self._found_seeds(variant)}
            run.variants[variant] = [self._seed(variant, number) for number in sorted(numbers)]
        return run

    def _planned(self) -> list[str]:
        """The variants that run.json names."""
        return self._named("variants", _is_folder_name)

    def _planned_seeds(self) -> list[int]:
        return self._named("seeds", lambda seed: type(seed) is int and 0 <= seed < 10**18)

    def _named(self, key: str, fits: Callable[[Any], bool]) -> list[Any]:
        names = self.run.plan.get(key, [])
        whole = isinstance(names, list) and len(names) <= MOST
        wrong = [name for name in names if not fits(name)] if whole else [names]
        if wrong:
            self._tell(self.run.path / "run.json", f"names {key} that cannot be any: {short(wrong[0])}")
        return [name for name in names if fits(name)] if whole else []

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
        seed.rows = self._guarded(place.metrics, read_rows) or {}
        if seed.finished or place.predictions.exists():
            seed.examples = self._guarded(place.predictions, read_examples) or []
            seed.looks = self._guarded(place.alignments, read_looks)
        if place.gates.exists():
            seed.gates = self._guarded(place.gates, read_gates) or {}
        self._read_snapshots(place, seed)
        if place.interventions.exists():
            seed.interventions = self._object(place.interventions)
        return seed

    def _read_snapshots(self, place: SeedDirectory, seed: Seed) -> None:
        if not place.snapshots.is_dir():
            return
        if place.snapshot_examples.exists():
            seed.watched = self._guarded(place.snapshot_examples, read_examples) or []
        for step in place.snapshot_steps():
            looks = self._guarded(place.snapshot(step), read_looks)
            if looks is not None:
                seed.snapshots[step] = looks

    def _object(self, path: Path) -> dict[str, Any]:
        return self._guarded(path, read_object) or {}

    def _text(self, path: Path) -> str | None:
        found = self._guarded(path, read_bytes)
        return None if found is None else found.decode(errors="replace")

    def _guarded(self, path: Path, read: Callable[[Path], tuple[Content, list[str]]]) -> Content | None:
        """What `read` gives for a file; None, and a line among the problems, where it cannot be read."""
        try:
            if path.exists() and not path.is_file():
                raise UnreadableError("is no file")
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
    if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\\", "\0"} & set(name):
        return False
    return len(name.encode(errors="replace")) < 200 and not any(0xD800 <= ord(one) < 0xE000 for one in name)
