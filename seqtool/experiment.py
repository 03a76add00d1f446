"""From a recipe to a finished run: every variant, every seed, the figures. The straight line through seqtool."""

import shlex
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from seqtool.analysis.alignments import draw_weights
from seqtool.analysis.loss_curves import draw_losses
from seqtool.analysis.report import write_page
from seqtool.build.assembly import PreparedTasks, build_model, count_parameters
from seqtool.build.check import check
from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.launch.job import Job
from seqtool.launch.launcher import FailedJobsError, Launcher
from seqtool.launch.local import LocalLauncher
from seqtool.launch.processes import ProcessLauncher
from seqtool.parts.task import changed_entries
from seqtool.recipe import Recipe, Variant, load_recipe
from seqtool.recipe.dump import dump
from seqtool.registry import Registry, default_registry
from seqtool.runs import FORMAT, RunDirectory
from seqtool.runs.checkpoint import read_checkpoint
from seqtool.runs.kept_variant import kept_variant
from seqtool.runs.provenance import plugin_flags, provenance
from seqtool.runs.read import Reader
from seqtool.training.devices import check_one_device, trainer_options
from seqtool.training.lightning_internals import is_rank_zero
from seqtool.training.prepared import Prepared, PreparedTrainings
from seqtool.training.stopping import Interrupted, StopSignal
from seqtool.training.trainer import build_trainer


@dataclass(frozen=True)
class Plan:
    """What is to be trained, all of it checked, nothing of it written.

    `recipe` is None when an existing run, `directory`, is resumed. `tasks` holds what was read of their data,
    `prepared` what was built to check it and can be trained in this process.
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
        """Sizes and devices of what would be trained."""
        variants = {}
        for name, variant in self.variants.items():
            options, task = trainer_options(variant.train, self.device), self.tasks.of(variant)
            with torch.device("meta"):
                parameters = count_parameters(build_model(variant, task))
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
) -> Plan:
    """Check what `run` with the same arguments would do, and do nothing. Arguments and errors: see `run`."""
    registry = registry or default_registry()
    if isinstance(overrides, str) or isinstance(variants, str):
        raise MisuseError("overrides and variants are lists of strings, such as ['train.steps=200']")
    if any(not isinstance(seed, int) or seed < 0 for seed in seeds):
        raise MisuseError(f"seeds are whole numbers from 0 on; got {list(seeds)}")
    if not isinstance(workers, int) or workers < 1:
        raise MisuseError(f"workers is a whole number from 1 on; got {workers!r}")
    loaded, directory = None, None
    if resume is not None:
        if out is not None or overrides:
            raise MisuseError("a resumed run keeps its folder and its recipe: no --out and no --set with --resume")
        directory = RunDirectory.open(Path(resume))
        written = directory.read_plan()
        name, device = written["recipe"], device or written["device"]
        chosen = resumed_variants(directory, written, registry, recipe)
        seeds = _chosen(seeds, written["seeds"], "seed")
    else:
        if recipe is None:
            raise MisuseError("a recipe is needed, or a run to --resume")
        loaded = as_recipe(recipe, registry, overrides)
        name, chosen = loaded.name, loaded.variants
        seeds = list(dict.fromkeys(seeds)) or list(loaded.seeds)
    chosen = {name: chosen[name] for name in _chosen(variants, chosen, "variant")}
    trainers = {name: build_trainer(variant.train, device) for name, variant in chosen.items()}
    if workers > 1:
        for variant in chosen.values():
            check_one_device(variant.train, device)
    tasks, prepared = PreparedTasks(), PreparedTrainings()
    if directory:
        _check_checkpoints(directory, chosen, seeds)
        _check_tasks(directory, chosen, tasks)
    if loaded:
        loaded = replace(loaded, variants=chosen, seeds=tuple(seeds))
        assemblies = check(loaded, tasks)
        for name in assemblies if workers == 1 else ():
            prepared.add(Prepared(assemblies[name], trainers[name]))
    place = Path(out) if out is not None else None
    return Plan(name, loaded, directory, place, chosen, list(seeds), device, registry, tasks, workers, prepared)


def run(
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
    show_bar: bool = False,
) -> dict[str, Any]:
    """Train every variant and seed of a recipe, and return what the run's result.json holds.

    Args:
        recipe: a path, the name of a bundled recipe, or a loaded one. May be left out when resuming.
        out: the run directory; it must be new or empty. Default: runs/<recipe>/<a new run id>.
        resume: a run directory to go on with; finished variants and seeds are not run again.
        overrides: "a.b=c", like `--set`.
        variants: train only these; default: all of the recipe's.
        seeds: train these instead of the recipe's.
        device: "cpu", "cuda", "cuda:1", "mps"; default: the recipe's.
        registry: where parts are found; default: all installed plugins.
        workers: how many seeds to train at a time, each in its own process, on one device that they share; 1 trains
            them one after the other in this process. Metrics do not depend on it where the number of threads is equal.
            A script that gives more than 1 does so within `if __name__ == "__main__":`.
        show_bar: a progress bar on stderr.

    Raises:
        RecipeError: the recipe is wrong; nothing was written.
        SeqtoolError: no such device, a folder that exists, an interruption (the message says how to resume).
    """
    planned = plan(
        recipe,
        out=out,
        resume=resume,
        overrides=overrides,
        variants=variants,
        seeds=seeds,
        device=device,
        registry=registry,
        workers=workers,
    )
    directory = planned.directory
    writes = is_rank_zero()
    if planned.recipe and writes:
        plan_content = provenance(planned.recipe, planned.variants, planned.seeds, planned.device, planned.registry)
        resolved = {name: dump(variant.data) for name, variant in planned.variants.items()}
        states = {name: planned.tasks.of(variant).state() for name, variant in planned.variants.items()}
        directory = RunDirectory.create(planned.out, plan_content, planned.recipe.text, resolved, states)
    try:
        with StopSignal() as stop, directory.locked() if writes and directory else nullcontext():
            launcher(workers).run(_jobs(planned, directory), stop, show_bar=show_bar)
    except Interrupted as error:
        raise SeqtoolError(
            f"stopped; every step that was done is saved\n    go on with: {_resume_command(planned, directory)}"
        ) from error
    except FailedJobsError as error:
        raise SeqtoolError(f"{error}\n    try again with: {_resume_command(planned, directory)}") from error
    if not writes or not directory:
        return {"format": FORMAT, "run": "", "variants": {}}
    result = directory.write_result()
    found = Reader(directory.path).read()
    draw_losses(found, directory.losses)
    draw_weights(found, directory.weights)
    write_page(found, directory.report)
    return result


def launcher(workers: int) -> Launcher:
    """What runs the jobs of a run."""
    return ProcessLauncher(workers) if workers > 1 else LocalLauncher()


def _resume_command(planned: Plan, directory: RunDirectory | None) -> str:
    where = shlex.quote(str(directory.path)) if directory else "RUN"
    workers = f" --workers {planned.workers}" if planned.workers > 1 else ""
    return f"seqtool run --resume {where}{workers}{plugin_flags(planned.registry)}"


def as_recipe(recipe: str | Path | Recipe, registry: Registry, overrides: Sequence[str]) -> Recipe:
    """A recipe that is loaded already, or the one of that path or name."""
    if isinstance(recipe, Recipe):
        if overrides:
            raise MisuseError("a loaded recipe takes no overrides: give them to load_recipe")
        return recipe
    return load_recipe(recipe, registry=registry, overrides=overrides)


def resumed_variants(
    directory: RunDirectory, written: dict[str, Any], registry: Registry, recipe: str | Path | Recipe | None
) -> dict[str, Variant]:
    """The variants of a run as it resolved them; a recipe given beside must resolve to the same."""
    found = {name: kept_variant(directory, name, registry) for name in written["variants"]}
    if recipe is not None:
        overrides = () if isinstance(recipe, Recipe) else written["overrides"]
        given = as_recipe(recipe, registry, overrides).variants
        for name, variant in found.items():
            if name not in given or not same_experiment(given[name], variant):
                raise SeqtoolError(
                    f"{directory.path} is a run of another recipe: variant {name!r} differs\n"
                    f"    allowed: seqtool run --resume {directory.path}, or a new run of this recipe"
                )
    return found


def same_experiment(one: Variant, other: Variant) -> bool:
    """Whether two variants train the same model on the same task in the same way, whatever they are called."""
    return all(one.data[key] == other.data[key] for key in ("task", "model", "train"))


def _check_checkpoints(directory: RunDirectory, variants: dict[str, Variant], seeds: Sequence[int]) -> None:
    """Find a checkpoint that cannot be gone on with before anything is trained."""
    for name, variant in variants.items():
        for seed in seeds:
            place = directory.seed(name, seed)
            if not place.finished and place.last.exists():
                read_checkpoint(place.last, variant, seed)


def _check_tasks(directory: RunDirectory, variants: dict[str, Variant], tasks: PreparedTasks) -> None:
    """Find data that are no longer those of the run: they would give its parameters and figures another meaning."""
    for name, variant in variants.items():
        changed = (
            changed_entries(directory.read_task(name), tasks.of(variant).state())
            if directory.task(name).exists()
            else []
        )
        if changed:
            raise SeqtoolError(
                f"the data of {name}'s task have changed since {directory.path} was begun: other {', '.join(changed)}\n"
                "    allowed: the data as they were, or a new run"
            )


def _jobs(planned: Plan, directory: RunDirectory | None) -> list[Job]:
    """One job for each seed of each variant; without a directory on ranks other than 0 of a new run."""
    return [
        Job(
            variant,
            seed,
            task=planned.tasks.of(variant),
            run_directory=directory,
            device=planned.device,
            prepared=planned.prepared,
        )
        for variant in planned.variants.values()
        for seed in planned.seeds
    ]


def _chosen(wanted: Sequence[Any], there: Iterable[Any], what: str) -> list[Any]:
    """`wanted`, each of which must be there; all that is there if nothing is wanted."""
    known = list(there)
    for item in wanted:
        if item not in known:
            names = list(map(str, known))
            raise MisuseError(
                f"the recipe has no {what} {item!r}", allowed=names, nearest=nearest_name(str(item), names)
            )
    return list(dict.fromkeys(wanted)) or known
