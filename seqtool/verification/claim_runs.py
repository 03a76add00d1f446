"""The runs that a claim stands on: those that are there already, and those that are still to be trained."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from seqtool.errors import RecipeError, SeqtoolError
from seqtool.experiment import resumed_variants, run, same_experiment
from seqtool.recipe import Recipe
from seqtool.registry import Registry
from seqtool.runs import RunDirectory

Key = tuple[str, int]
"""A variant and a seed."""


@dataclass
class Runs:
    """What is there of a recipe's variants and seeds in a folder.

    A run counts when it is the folder itself, or stands in it, and its recipe trains the same.

    Attributes:
        finished, begun: the run that holds each variant and seed; the first of them by name where there are several.
        strangers: runs of other recipes, which are let be.
    """

    folder: Path
    recipe: Recipe
    wanted: tuple[Key, ...]
    registry: Registry
    finished: dict[Key, RunDirectory] = field(default_factory=dict)
    begun: dict[Key, RunDirectory] = field(default_factory=dict)
    strangers: list[Path] = field(default_factory=list)

    def find(self) -> None:
        """Look at what stands in the folder now.

        Raises:
            SeqtoolError: the folder is itself a run, of another recipe.
        """
        self.finished, self.begun, self.strangers = {}, {}, []
        for directory in self._there():
            own = directory.path == self.folder
            try:
                variants = resumed_variants(directory, directory.read_plan(), self.registry, None)
            except RecipeError:
                if own:
                    raise
                variants = {}
            ours = self.recipe.variants
            same = [name for name, v in variants.items() if name in ours and same_experiment(v, ours[name])]
            if not same:
                if own:
                    message = f"{self.folder} is a run of another recipe than {self.recipe.path}"
                    raise SeqtoolError(f"{message}\n    allowed: a folder of its own: --out")
                self.strangers.append(directory.path)
            self._take(directory, same)

    def train(self, device: str | None, workers: int, show_bar: bool) -> None:
        """Go on with what was begun, and train the rest in a run of its own in the folder.

        Raises:
            SeqtoolError: see `seqtool.experiment.run`; or the folder is itself a run, of fewer seeds or variants.
        """
        left = [key for key in self.wanted if key not in self.finished]
        begun, new = defaultdict[Path, list[Key]](list), defaultdict[int, list[str]](list)
        for variant, seed in left:
            if directory := self.begun.get((variant, seed)):
                begun[directory.path].append((variant, seed))
            else:
                new[seed].append(variant)
        if new and (self.folder / "run.json").exists():
            seeds = ", ".join(map(str, new))
            message = f"{self.folder} is a run, and seeds are to be trained that it has not: {seeds}"
            raise SeqtoolError(f"{message}\n    allowed: --out with a folder that holds it, or fewer seeds")
        for path, keys in begun.items():
            variants, seeds_of = (list(dict.fromkeys(side)) for side in zip(*keys, strict=True))
            self._run(device, workers, show_bar, resume=path, variants=variants, seeds=seeds_of)
        together = defaultdict[tuple[str, ...], list[int]](list)
        for seed, names in new.items():
            together[tuple(names)].append(seed)
        for lacking, seeds_of in together.items():
            out = self._new_folder(seeds_of)
            self._run(device, workers, show_bar, recipe=self.recipe, out=out, variants=lacking, seeds=seeds_of)
        self.find()

    def _run(self, device: str | None, workers: int, show_bar: bool, **what: Any) -> None:
        run(**what, device=device, registry=self.registry, workers=workers, show_bar=show_bar)

    def _there(self) -> list[RunDirectory]:
        folders = [self.folder, *sorted(path for path in self.folder.glob("*") if path.is_dir())]
        return [RunDirectory.open(path) for path in folders if (path / "run.json").is_file()]

    def _take(self, directory: RunDirectory, variants: Iterable[str]) -> None:
        held = {(name, seed) for name in variants for seed in directory.read_plan()["seeds"]}
        for key in self.wanted:
            if key in held:
                which = self.finished if directory.seed(*key).finished else self.begun
                which.setdefault(key, directory)

    def _new_folder(self, seeds: Sequence[int]) -> Path:
        name = f"seed{'_'.join(map(str, seeds))}"
        names = (name if i == 1 else f"{name}-{i}" for i in count(1))
        return next(self.folder / free for free in names if not (self.folder / free).exists())
