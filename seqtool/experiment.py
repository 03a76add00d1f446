"""Runs an experiment: from a recipe to a finished run directory with results, figures and report."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from seqtool.analysis.alignments import draw_weights
from seqtool.analysis.loss_curves import draw_losses
from seqtool.analysis.report import write_page
from seqtool.build.torch_settings import default_settings, reserved_for_training
from seqtool.errors import SeqtoolError, refuse_exit
from seqtool.launch.job import Job
from seqtool.launch.launcher import FailedJobsError, Launcher
from seqtool.launch.local import LocalLauncher
from seqtool.launch.plan import Plan, plan
from seqtool.launch.processes import ProcessLauncher
from seqtool.recipe import Recipe
from seqtool.recipe.dump import dump
from seqtool.registry import Registry
from seqtool.runs import RunDirectory
from seqtool.runs.create import create_run
from seqtool.runs.provenance import plugin_flags, provenance
from seqtool.runs.read import read_run
from seqtool.training.devices import num_ranks
from seqtool.training.lightning_internals import is_rank_zero
from seqtool.training.stopping import Interrupted, StopSignal
from seqtool.training.waiting import share_result


@default_settings()
@reserved_for_training()
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
    data: Mapping[str, str] | None = None,
    show_bar: bool = False,
) -> dict[str, Any]:
    """Train every variant and seed of a recipe, and return the content of the run's result.json, on every rank.

    Args:
        recipe: a path, the name of a bundled recipe, or a loaded recipe. Optional with `resume`.
        out: the run directory, which must be new or empty; default: runs/<recipe>/<new run id>.
        resume: a run directory to resume; finished variants and seeds are skipped.
        overrides: "a.b=c", like `--set`.
        variants: train only these; default: all of the recipe's.
        seeds: train these instead of the recipe's; with `resume`, seeds that the run lacks are added to it.
        device: "cpu", "cuda", "cuda:1", "mps"; default: the recipe's.
        registry: the available parts; default: all installed plugins.
        workers: number of seeds to train in parallel, each in its own process, all on the same device; 1 trains them
            one after the other in this process. Metrics do not depend on it if the number of threads is the same.
            A script that passes more than 1 must do so inside `if __name__ == "__main__":`.
        data: with `resume`, the files of moved data, by the options of the task that name them.
        show_bar: whether to show a progress bar on stderr.

    Raises:
        RecipeError: the recipe is invalid; nothing was written.
        SeqtoolError: the device does not exist, the folder is not empty, another thread of this process trains, or the
            run was interrupted (the message says how to resume it).
    """
    with refuse_exit("the check of the recipe"):
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
            data=data,
        )
    directory = planned.directory
    writes = is_rank_zero()
    if planned.recipe and writes:
        plan_content = provenance(planned.recipe, planned.variants, planned.seeds, planned.device, planned.registry)
        resolved = {name: dump(variant.data) for name, variant in planned.variants.items()}
        states = {name: planned.tasks.of(variant).state() for name, variant in planned.variants.items()}
        directory = create_run(planned.out, plan_content, planned.recipe.text, resolved, states)
    jobs = _jobs(planned, directory)
    shared = any(not job.finished and num_ranks(job.variant.train, job.device) > 1 for job in jobs)
    try:
        with StopSignal() as stop, directory.locked() if writes and directory else nullcontext():
            if writes and directory:
                directory.add_seeds(planned.seeds)
            launcher(workers).run(jobs, stop, show_bar=show_bar)
    except Interrupted as error:
        saved = "all completed steps are saved" if error.saved else "steps after the last checkpoint are not saved"
        raise SeqtoolError(f"stopped; {saved}\n    resume with: {_resume_command(planned, directory)}") from error
    except FailedJobsError as error:
        raise SeqtoolError(f"{error}\n    try again with: {_resume_command(planned, directory)}") from error
    return share_result(partial(_write_summary, directory)) if shared else _write_summary(directory)


def _write_summary(directory: RunDirectory | None) -> dict[str, Any]:
    """Write result.json, the figures and the report. Returns the content of result.json."""
    assert directory, "rank 0, and all ranks of a resumed run, have its directory"
    if not is_rank_zero():
        return directory.collect_results()
    result = directory.write_result()
    contents = read_run(directory.path)
    draw_losses(contents, directory.losses_plot)
    draw_weights(contents, directory.weights_plot)
    write_page(contents, directory.report)
    return result


def launcher(workers: int) -> Launcher:
    """The launcher for this number of workers."""
    return ProcessLauncher(workers) if workers > 1 else LocalLauncher()


def _resume_command(planned: Plan, directory: RunDirectory | None) -> str:
    path = shlex.quote(str(directory.path)) if directory else "RUN"
    workers = f" --workers {planned.workers}" if planned.workers > 1 else ""
    return f"seqtool run --resume {path}{workers}{plugin_flags(planned.registry)}"


def _jobs(planned: Plan, directory: RunDirectory | None) -> list[Job]:
    """One job for each seed of each variant. On ranks other than 0 of a new run, `directory` is None."""
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
