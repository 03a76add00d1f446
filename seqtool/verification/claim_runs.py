"""The runs of a claim: finds existing ones in a folder and trains the rest."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from seqtool.errors import RecipeError, SeqtoolError
from seqtool.experiment import run
from seqtool.launch.plan import resumed_variants, same_experiment
from seqtool.recipe import Recipe
from seqtool.registry import Registry
from seqtool.runs import RunDirectory

Key = tuple[str, int]
"""A variant and a seed."""


@dataclass
class ClaimRuns:
    """The runs of a recipe's variants and seeds in a folder.

    The folder is itself a run or contains runs. Only runs whose recipe trains the same variants are used.

    Attributes:
        finished, unfinished: the run that contains each variant and seed; the first by name if there are several.
        unrelated: runs of other recipes, which are ignored.
    """

    folder: Path
    recipe: Recipe
    wanted: tuple[Key, ...]
    registry: Registry
    finished: dict[Key, RunDirectory] = field(default_factory=dict)
    unfinished: dict[Key, RunDirectory] = field(default_factory=dict)
    unrelated: list[Path] = field(default_factory=list)

    def find(self) -> None:
        """Find the runs in the folder.

        Raises:
            SeqtoolError: the folder is a run of another recipe.
        """
        self.finished, self.unfinished, self.unrelated = {}, {}, []
        for directory in self._existing_runs():
            is_folder = directory.path == self.folder
            try:
                variants = resumed_variants(directory, directory.read_plan(), self.registry, None)
            except RecipeError:
                if is_folder:
                    raise
                variants = {}
            ours = self.recipe.variants
            same = [name for name, v in variants.items() if name in ours and same_experiment(v, ours[name])]
            if not same:
                if is_folder:
                    message = f"{self.folder} is a run of another recipe than {self.recipe.path}"
                    raise SeqtoolError(f"{message}\n    allowed: --out with another folder")
                self.unrelated.append(directory.path)
            self._add(directory, same)

    def train(self, device: str | None, workers: int, show_bar: bool) -> None:
        """Resume unfinished runs, and train the missing seeds in new runs in the folder.

        Raises:
            SeqtoolError: see `seqtool.run`; or the folder is itself a run that lacks seeds or variants.
        """
        remaining = [key for key in self.wanted if key not in self.finished]
        resumed, new = defaultdict[Path, list[Key]](list), defaultdict[int, list[str]](list)
        for variant, seed in remaining:
            if directory := self.unfinished.get((variant, seed)):
                resumed[directory.path].append((variant, seed))
            else:
                new[seed].append(variant)
        if new and (self.folder / "run.json").exists():
            seeds = ", ".join(map(str, new))
            message = f"{self.folder} is a run without these seeds: {seeds}"
            raise SeqtoolError(f"{message}\n    allowed: --out with the folder that contains the run, or fewer seeds")
        for path, keys in resumed.items():
            variants, seeds_of = (list(dict.fromkeys(column)) for column in zip(*keys, strict=True))
            self._run(device, workers, show_bar, resume=path, variants=variants, seeds=seeds_of)
        seeds_by_variants = defaultdict[tuple[str, ...], list[int]](list)
        for seed, names in new.items():
            seeds_by_variants[tuple(names)].append(seed)
        for missing, seeds_of in seeds_by_variants.items():
            out = self._new_folder(seeds_of)
            self._run(device, workers, show_bar, recipe=self.recipe, out=out, variants=missing, seeds=seeds_of)
        self.find()

    def _run(self, device: str | None, workers: int, show_bar: bool, **arguments: Any) -> None:
        run(**arguments, device=device, registry=self.registry, workers=workers, show_bar=show_bar)

    def _existing_runs(self) -> list[RunDirectory]:
        folders = [self.folder, *sorted(path for path in self.folder.glob("*") if path.is_dir())]
        return [RunDirectory.open(path) for path in folders if (path / "run.json").is_file()]

    def _add(self, directory: RunDirectory, variants: Iterable[str]) -> None:
        contained = {(name, seed) for name in variants for seed in directory.read_plan()["seeds"]}
        for key in self.wanted:
            if key in contained:
                found = self.finished if directory.seed(*key).finished else self.unfinished
                found.setdefault(key, directory)

    def _new_folder(self, seeds: Sequence[int]) -> Path:
        name = f"seed{'_'.join(map(str, seeds))}"
        names = (name if i == 1 else f"{name}-{i}" for i in count(1))
        return next(self.folder / free for free in names if not (self.folder / free).exists())
