"""What a recipe cannot do, found before anything is trained or written."""

import importlib.util
import os
import warnings

import torch

from seqtool.build.assembly import (
    Tasks,
    assemble,
    build_feeding,
    build_optimizer,
    build_schedule,
    count_parameters,
)
from seqtool.build.problems import problem_at
from seqtool.errors import PartError, Problem, RecipeError, nearest_name
from seqtool.parts.task import Task
from seqtool.recipe import Recipe, Variant

TRIED = 20_000_000
"""Models of up to so many parameters are tried when a recipe is checked; larger ones would take too long to build."""


def check(recipe: Recipe, tasks: Tasks | None = None) -> None:
    """Find what a recipe cannot do: every variant is built on the meta device, then tried on two examples.

    Args:
        tasks: where the tasks that were prepared for it are kept, for those who go on with them.

    Raises:
        RecipeError: all problems of all variants. SeqtoolError: a task's data cannot be read.
    """
    tasks = tasks or Tasks()
    problems: dict[str, Problem] = {}
    for variant in recipe.variants.values():
        try:
            _check_variant(variant, tasks.of(variant))
        except RecipeError as error:
            problems |= {str(problem): problem for problem in error.problems}
    if problems:
        raise RecipeError(problems.values())


def _check_variant(variant: Variant, task: Task) -> None:
    with torch.device("meta"):
        assembly = assemble(variant, seed=0, task=task)
    size = 16 * count_parameters(assembly.model)
    memory = _memory()
    if memory and size > memory:
        raise problem_at(
            variant,
            ("model",),
            f"training this model takes at least {size / 2**30:.0f} GiB, and this machine has {memory / 2**30:.0f}",
        )
    if not count_parameters(assembly.model):
        raise problem_at(variant, ("model",), "this model has nothing to train")
    if count_parameters(assembly.model) <= TRIED:
        _try(variant, task)
    optimizer = build_optimizer(variant, torch.nn.Linear(1, 1))
    build_schedule(variant)
    build_feeding(variant)
    train, columns = variant.train, ["valid_loss", *(f"valid_{name}" for name in assembly.metrics)]
    monitors: dict[tuple[str, ...], str] = {("train", "monitor"): train.monitor}
    if train.early_stopping:
        monitors["train", "early_stopping", "monitor"] = train.early_stopping().monitor
    for path, monitor in monitors.items():
        if monitor not in columns:
            raise problem_at(
                variant, path, f"validation measures no {monitor!r}", ", ".join(columns), nearest_name(monitor, columns)
            )
    if train.precision == "16-mixed" and train.clip_norm and optimizer.defaults.get("fused"):
        message = "a fused optimizer cannot be clipped in 16-mixed precision; set optimizer.fused: false"
        raise problem_at(variant, ("train", "clip_norm"), message)
    if train.tensorboard and not importlib.util.find_spec("tensorboard"):
        message = "TensorBoard is not installed: pip install 'seqtool[tensorboard]'"
        raise problem_at(variant, ("train", "tensorboard"), message)


def _try(variant: Variant, task: Task) -> None:
    """Two validation examples through the model and the loss: lengths that a part refuses are found here."""
    assembly = assemble(variant, seed=0, task=task)
    batch = task.batch("valid", 0, seed=0, rank=0, batch_size=2, device=torch.device("cpu"))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assembly.loss(*assembly.model.eval()(batch), batch)
    except PartError as error:
        raise problem_at(variant, ("model",), str(error), error.allowed) from error


def _memory() -> int:
    """This machine's memory in bytes, 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
