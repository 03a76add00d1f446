"""Plans a run: which variants and seeds to train, checked before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from seqtool.build.assembly import PreparedTasks, build_model, count_parameters
from seqtool.build.check import check
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.parts.task import changed_entries
from seqtool.recipe import Recipe, Variant, load_recipe
from seqtool.recipe.moved_data import suggest_data, with_data
from seqtool.recipe.recipe import select
from seqtool.registry import Registry, default_registry
from seqtool.runs import RunDirectory
from seqtool.runs.checkpoint import read_checkpoint
from seqtool.runs.resolved_variant import load_resolved_variant
from seqtool.training.devices import check_one_device, trainer_options
from seqtool.training.prepared import Prepared, PreparedTrainings
from seqtool.training.trainer import build_trainer


@dataclass(frozen=True)
class Plan:
    """The checked variants and seeds of a run. Nothing is written yet.

    Attributes:
        recipe: None when the existing run `directory` is resumed.
        out: the folder for a new run; None for the default.
        tasks: the tasks that the check prepared.
        prepared: the trainings that the check built, which can be trained in this process.
    """

    name: str
    recipe: Recipe | None
    directory: RunDirectory | None
    out: Path | None
    variants: dict[str, Variant]
    seeds: list[int]
    device: str | None
    registry: Registry
    tasks: PreparedTasks
    workers: int
    prepared: PreparedTrainings

    def summary(self) -> dict[str, Any]:
        """Parameters, steps and device of each variant."""
        variants = {}
        for name, variant in self.variants.items():
            options = trainer_options(variant.train, self.device)
            with torch.device("meta"):
                parameters = count_parameters(build_model(variant, self.tasks.of(variant)))
            variants[name] = {
                "parameters": parameters,
                "steps": variant.train.steps,
                "device": f"{options['accelerator']} x {options['devices']}",
            }
        return {"recipe": self.name, "seeds": self.seeds, "workers": self.workers, "variants": variants}


def plan(
    recipe: str | Path | Recipe | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    overrides: Sequence[str] = (),
    variants: Sequence[str] = (),
    seeds: Sequence[int] = (),
    device: str | None = None,
    registry: Registry | None = None,
    workers: int = 1,
    data: Mapping[str, str] | None = None,
) -> Plan:
    """Check what `seqtool.run` with the same arguments would train. For arguments and errors see `seqtool.run`."""
    registry = registry or default_registry()
    if isinstance(overrides, str) or isinstance(variants, str):
        raise MisuseError("overrides and variants are lists of strings, for example ['train.steps=200']")
    if any(not isinstance(seed, int) or seed < 0 for seed in seeds):
        raise MisuseError(f"seeds are integers of at least 0; got {list(seeds)}")
    if not isinstance(workers, int) or workers < 1:
        raise MisuseError(f"workers is an integer of at least 1; got {workers!r}")
    if data and (resume is None or workers > 1):
        raise MisuseError("--data requires --resume, and cannot be used with --workers")
    loaded, directory = None, None
    if resume is not None:
        if out is not None or overrides:
            raise MisuseError("--out and --set cannot be used with --resume: a resumed run keeps its folder and recipe")
        directory = RunDirectory.open(Path(resume))
        saved = directory.read_plan()
        name, device = saved["recipe"], device or saved["device"]
        chosen = resumed_variants(directory, saved, registry, recipe)
        chosen = {name: with_data(variant, data or {}) for name, variant in chosen.items()}
        seeds = list(dict.fromkeys(seeds)) or saved["seeds"]
    else:
        if recipe is None:
            raise MisuseError("a recipe or --resume with a run is required")
        loaded = as_recipe(recipe, registry, overrides, variants)
        name, chosen = loaded.name, loaded.variants
        seeds = list(dict.fromkeys(seeds)) or list(loaded.seeds)
    chosen = {name: chosen[name] for name in select(variants, chosen, "variant")}
    if workers > 1:
        for variant in chosen.values():
            check_one_device(variant.train, device)
    trainers = {name: build_trainer(variant.train, device) for name, variant in chosen.items()}
    tasks, prepared = PreparedTasks(), PreparedTrainings()
    if directory:
        _check_checkpoints(directory, chosen, seeds)
        _check_tasks(directory, chosen, tasks)
    if loaded:
        loaded = replace(loaded, variants=chosen, seeds=tuple(seeds))
        assemblies = check(loaded, tasks, device)
        for name in assemblies if workers == 1 else ():
            prepared.add(Prepared(assemblies[name], trainers[name]))
    folder = Path(out) if out is not None else None
    return Plan(name, loaded, directory, folder, chosen, list(seeds), device, registry, tasks, workers, prepared)


def as_recipe(
    recipe: str | Path | Recipe, registry: Registry, overrides: Sequence[str], variants: Sequence[str] = ()
) -> Recipe:
    """Load these variants of a recipe by path or name, or all; a loaded recipe is returned unchanged."""
    if isinstance(recipe, Recipe):
        if overrides:
            raise MisuseError("a loaded recipe takes no overrides; pass them to load_recipe")
        return recipe
    return load_recipe(recipe, registry=registry, overrides=overrides, variants=variants)


def resumed_variants(
    directory: RunDirectory, saved: dict[str, Any], registry: Registry, recipe: str | Path | Recipe | None
) -> dict[str, Variant]:
    """The variants of a run from its resolved recipes. If `recipe` is given, it must resolve to the same variants."""
    found = {name: load_resolved_variant(directory, name, registry) for name in saved["variants"]}
    if recipe is not None:
        overrides = () if isinstance(recipe, Recipe) else saved["overrides"]
        given = as_recipe(recipe, registry, overrides, saved["variants"]).variants
        for name, variant in found.items():
            if name not in given or not same_experiment(given[name], variant):
                raise SeqtoolError(
                    f"{directory.path} is a run of another recipe: variant {name!r} differs\n"
                    f"    allowed: seqtool run --resume {directory.path}, or a new run of this recipe"
                )
    return found


def same_experiment(one: Variant, other: Variant) -> bool:
    """Whether two variants have the same task, model and training options. Their names may differ."""
    return all(one.data[key] == other.data[key] for key in ("task", "model", "train"))


def _check_checkpoints(directory: RunDirectory, variants: dict[str, Variant], seeds: Sequence[int]) -> None:
    """Raise if a checkpoint cannot be resumed."""
    for name, variant in variants.items():
        for seed in seeds:
            files = directory.seed(name, seed)
            if not files.finished and files.last_checkpoint.exists():
                read_checkpoint(files.last_checkpoint, variant, seed)


def _check_tasks(directory: RunDirectory, variants: dict[str, Variant], tasks: PreparedTasks) -> None:
    """Raise if a task's data have changed since the run was started."""
    for name, variant in variants.items():
        with suggest_data(variant):
            task = tasks.of(variant)
        changed = changed_entries(directory.read_task(name), task.state()) if directory.task(name).exists() else []
        if changed:
            raise SeqtoolError(
                f"the data of {name}'s task have changed since {directory.path} was started: {', '.join(changed)}\n"
                "    allowed: the original data, or a new run"
            )
