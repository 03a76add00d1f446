"""Checks that all variants of a recipe can be trained, before training starts and before files are written."""

import contextlib
import importlib.util
import os
import warnings

import torch

from seqtool.build.assembly import (
    Assembly,
    PreparedTasks,
    assemble,
    build_model,
    count_parameters,
)
from seqtool.build.plugin_faults import attributed
from seqtool.build.precision_check import check_precision
from seqtool.build.recipe_errors import recipe_error
from seqtool.errors import PartError, Problem, RecipeError, nearest_name
from seqtool.parts.task import Task
from seqtool.recipe import Recipe, Variant
from seqtool.recipe.overrides import suggest_variants

MAX_TRIED_PARAMETERS = 20_000_000
"""Only models with at most this many parameters run on two examples; larger models take too long to build."""


def check(recipe: Recipe, tasks: PreparedTasks | None = None, device: str | None = None) -> dict[str, Assembly]:
    """Build the model of every variant on the meta device, then run it on two examples.

    Args:
        tasks: receives the tasks that are prepared.
        device: overrides the recipe's accelerator.

    Returns:
        The assembly of the first seed of each variant by its name, ready to be trained; only as many as have
        `MAX_TRIED_PARAMETERS` parameters together.

    Raises:
        RecipeError: all problems of all variants. SeqtoolError: a task's data cannot be read.
    """
    tasks = tasks or PreparedTasks()
    problems: dict[str, Problem] = {}
    assemblies: dict[str, Assembly] = {}
    valid: list[str] = []
    remaining = MAX_TRIED_PARAMETERS
    for name, variant in recipe.variants.items():
        try:
            assembly, size = _checked(variant, tasks.of(variant), recipe.seeds[0], device)
            valid.append(name)
            if size <= remaining:
                assemblies[name], remaining = assembly, remaining - size
        except RecipeError as error:
            problems |= {str(problem): problem for problem in error.problems}
    if problems:
        raise RecipeError(suggest_variants(problem, valid) for problem in problems.values())
    return assemblies


def _checked(variant: Variant, task: Task, seed: int, device: str | None) -> tuple[Assembly, int]:
    """The assembly of a variant, and its number of parameters.

    A model of more than `MAX_TRIED_PARAMETERS` parameters is built on the meta device.
    """
    with attributed(variant), torch.device("meta"):
        size = count_parameters(build_model(variant, task, seed))
    needed, memory = 16 * size, _memory()
    if memory and needed > memory:
        raise recipe_error(
            variant,
            ("model",),
            f"training this model takes at least {needed / 2**30:.0f} GiB, and this machine has {memory / 2**30:.0f}",
        )
    if not size:
        raise recipe_error(variant, ("model",), "this model has no trainable parameters")
    with attributed(variant), torch.device("meta") if size > MAX_TRIED_PARAMETERS else contextlib.nullcontext():
        assembly = assemble(variant, seed, task=task)
    if size <= MAX_TRIED_PARAMETERS:
        _try(variant, assembly, device)
    _check_training(variant, assembly)
    return assembly, size


def _check_training(variant: Variant, assembly: Assembly) -> None:
    train, columns = variant.train, ["valid_loss", *(f"valid_{name}" for name in assembly.metrics)]
    monitors: dict[tuple[str, ...], str] = {("train", "monitor"): train.monitor}
    if assembly.options.early_stopping:
        monitors["train", "early_stopping", "monitor"] = assembly.options.early_stopping.monitor
    for path, monitor in monitors.items():
        if monitor not in columns:
            raise recipe_error(
                variant,
                path,
                f"validation does not measure {monitor!r}",
                ", ".join(columns),
                nearest_name(monitor, columns),
            )
    if train.precision == "16-mixed" and train.clip_norm and assembly.optimizer.defaults.get("fused"):
        message = "a fused optimizer cannot be clipped in 16-mixed precision; set optimizer.fused: false"
        raise recipe_error(variant, ("train", "clip_norm"), message)
    if train.tensorboard and not importlib.util.find_spec("tensorboard"):
        message = "TensorBoard is not installed: pip install 'seqtool[tensorboard]'"
        raise recipe_error(variant, ("train", "tensorboard"), message)


def _try(variant: Variant, assembly: Assembly, device: str | None) -> None:
    """Run the model and the loss on two validation examples, which finds lengths that a part refuses."""
    with attributed(variant):
        batch = assembly.task.batch("valid", 0, seed=0, rank=0, batch_size=2, device=torch.device("cpu"))

    def run() -> None:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assembly.loss(*assembly.model.eval()(batch), batch)

    try:
        with attributed(variant, again=run):
            run()
        check_precision(variant, assembly, batch, device)
        assembly.model.train()
    except PartError as error:
        raise recipe_error(variant, ("model",), str(error), error.allowed) from error


def _memory() -> int:
    """The memory of this machine in bytes, 0 if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
