"""What a recipe cannot do, found before anything is trained or written."""

import contextlib
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
    loss_of,
    metrics_of,
    problem_at,
)
from seqtool.errors import PartError, PluginError, Problem, RecipeError, nearest_name
from seqtool.parts.task import Task
from seqtool.parts.vocabulary import Form, forms_of
from seqtool.recipe import Recipe, Reference, Variant

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
    _check_forms(variant, task)
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
    if train.metrics and len(assembly.metrics) < len(train.metrics):
        raise problem_at(variant, ("train", "metrics"), "two metrics of one name would share a column")
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


def _check_forms(variant: Variant, task: Task) -> None:
    """Each part against what stands on the task's sides, symbols or values.

    Raises:
        RecipeError: all parts that are for the other.
    """
    source, target = task.source_vocabulary.form, task.target_vocabulary.form
    loss, search = loss_of(variant, task), variant.train.search
    assert isinstance(search, Reference), "slots of a recipe hold references"
    held = [
        (variant.embedding, forms_of(variant.embedding.cls), "source", source),
        (variant.target_embedding, forms_of(variant.target_embedding.cls), "target", target),
        (loss, loss().forms, "target", target),
        *((metric, forms_of(metric.cls), "target", target) for metric in metrics_of(variant, task)),
        (search, forms_of(search.cls), "target", target),
    ]
    wrong = [_misfit(variant, *one) for one in held if one[3] not in one[1]]
    if wrong:
        raise RecipeError([problem for error in wrong for problem in error.problems])


def _misfit(variant: Variant, part: Reference, forms: tuple[Form, ...], side: str, form: Form) -> RecipeError:
    others = []
    for other in variant.registry.parts(part.kind):
        with contextlib.suppress(PluginError):  # a broken plugin is no way out
            others += [variant.registry.label(other)] if form in forms_of(other.load()) else []
    able = " and ".join(forms) or "no target at all"
    message = f"{part.kind} {part.name} is for {able}, and the {side}s of this task are {form}"
    return problem_at(variant, part.path or ("task",), message, ", ".join(others))


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
