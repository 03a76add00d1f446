"""Recipe and registry -> assembly. Passes sizes from part to part."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from seqtool.build.loop_options import LoopOptions
from seqtool.build.objectives import build_metrics, loss_reference
from seqtool.build.recipe_errors import recipe_error
from seqtool.build.requirements import Provided, built_parts, check_requirements, slot_parts
from seqtool.build.torch_settings import seeded
from seqtool.errors import MisuseError, PartError
from seqtool.nn.attention import Attention
from seqtool.nn.feeding import TEACHER_FORCING, Feeding
from seqtool.nn.model import Seq2Seq
from seqtool.parts.loss import Loss
from seqtool.parts.metric import Metric
from seqtool.parts.schedule import Schedule
from seqtool.parts.search import Search
from seqtool.parts.task import Task
from seqtool.randomness import derive
from seqtool.recipe import Variant, reference
from seqtool.registry import Registry, default_registry
from seqtool.registry.kinds import KINDS


@dataclass(frozen=True)
class Assembly:
    """Everything that training one seed of a variant needs. It is built once, and the recipe is not read again.

    Attributes:
        registry: the registry of its parts, and of the kernels.
        options: the plain values that the training loop reads.
        feeding: step number, from 0 -> the probability of teacher forcing.
        optimizer: over all parameters of `model`.
        schedule: a factor on the learning rate; None for a constant rate.
    """

    registry: Registry
    options: LoopOptions
    task: Task
    model: Seq2Seq
    loss: Loss
    metrics: dict[str, Metric]
    search: Search
    feeding: Callable[[int], Feeding]
    optimizer: torch.optim.Optimizer
    schedule: Schedule | None


def make(spec: str, *sizes: Any, registry: Registry | None = None, **options: Any) -> Any:
    """Build one part, for use in your own training loop.

    `make("scorer/additive", query_size, memory_size, hidden_size=32)`. A slot takes what a recipe would contain, or a
    callable: `make("attention", 32, 64, scorer="additive", normalizer={"type": "softmax"}, heads=4)`.

    Args:
        spec: "kind/name", or "attention".
        sizes: the positional arguments of the kind, in order (see `seqtool describe`).
        options: the options of the part, checked as in a recipe.

    Raises:
        MisuseError: `spec` has another form, or sizes are missing or invalid. PluginError: there is no such part.
        RecipeError: an option or size is not allowed.
    """
    registry = registry or default_registry()
    kind, slash, name = spec.partition("/")
    if kind == "attention" and not slash:
        _check_sizes(spec, ("query_size", "memory_size"), sizes)
        return reference(Attention, options, registry)(*sizes)
    if not name:
        raise MisuseError(f"make() takes 'kind/name', such as 'scorer/additive', or 'attention'; got {spec!r}")
    if kind in KINDS and not KINDS[kind].constructed:
        raise MisuseError(f"make() builds parts that recipes can name, and a recipe cannot name a {kind}; got {spec!r}")
    part = reference(kind, {"type": name, **options}, registry)
    _check_sizes(spec, KINDS[kind].sizes, sizes)
    return part(*sizes)


def _check_sizes(spec: str, names: tuple[str, ...], sizes: tuple[Any, ...]) -> None:
    """Check sizes that a caller gave; those within a recipe come from the parts."""
    if len(sizes) != len(names):
        raise MisuseError(f"{spec} takes {len(names)} sizes, {', '.join(names) or 'none'}; got {len(sizes)}")
    for name, size in zip(names, sizes, strict=True):
        if name.endswith("_size") and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
            raise MisuseError(f"{spec} takes a positive integer as {name}; got {size!r}")


class PreparedTasks:
    """The prepared tasks of the variants of a recipe. Variants with equal tasks share one."""

    def __init__(self) -> None:
        self._prepared: dict[str, Task] = {}

    def of(self, variant: Variant) -> Task:
        """The prepared task of a variant. Raises: see `prepared_task`."""
        key = json.dumps(variant.data["task"], sort_keys=True)
        if key not in self._prepared:
            self._prepared[key] = prepared_task(variant)
        return self._prepared[key]


def prepared_task(variant: Variant, saved: Mapping[str, Any] | None = None) -> Task:
    """Build and prepare the task of a variant: from its data, or from `saved`, the `Task.state` of a run.

    Raises:
        RecipeError: an option names a file that does not exist.
        SeqtoolError: a file cannot be read.
    """
    task: Task = variant.task()
    try:
        task.prepare(saved)
    except PartError as error:
        path = ("task", error.option) if error.option else ("task",)
        raise recipe_error(variant, path, str(error), error.allowed) from error
    return task


def assemble(
    variant: Variant, seed: int, saved: Mapping[str, Any] | None = None, *, task: Task | None = None
) -> Assembly:
    """Build the assembly of one seed of a variant. Initial parameters depend on `seed`, not on the global generator.

    Args:
        saved: the `Task.state` of a run, to build the task without its data.
        task: the prepared task, if there is one already.

    Raises:
        RecipeError: sizes, options or requirements do not fit together.
        SeqtoolError: the task's data cannot be read.
    """
    task = task or prepared_task(variant, saved)
    model = build_model(variant, task, seed)
    provided = Provided(task, model.decoder.num_heads)
    check_requirements(variant, provided, slot_parts(variant))
    loss: Loss = loss_reference(variant, provided)()
    metrics = build_metrics(variant, provided)
    search: Search = variant.train.search()
    check_requirements(variant, provided, built_parts(variant, loss, model, *metrics.values(), search))
    return Assembly(
        registry=variant.registry,
        options=LoopOptions.of(variant.name, seed, variant.train),
        task=task,
        model=model,
        loss=loss,
        metrics=metrics,
        search=search,
        feeding=_feeding(variant),
        optimizer=variant.train.optimizer(model.parameters()),
        schedule=variant.train.schedule(variant.train.steps) if variant.train.schedule else None,
    )


def build_model(variant: Variant, task: Task, seed: int = 0) -> Seq2Seq:
    """Build the model of a variant for a task.

    Raises:
        RecipeError: the task does not provide what a part requires, or sizes do not fit together.
    """
    _check_copy_map(variant, task)
    check_requirements(variant, Provided(task), slot_parts(variant))
    with seeded(derive(seed, "parameters")):
        source_embedding = variant.embedding(task.source_vocabulary)
        target_embedding = (variant.target_embedding or variant.embedding)(task.target_vocabulary)
        encoder = variant.encoder(source_embedding.output_size)
        decoder = variant.decoder(
            target_embedding.output_size,
            encoder.memory_size,
            encoder.final_sizes,
            task.target_vocabulary.num_outputs,
        )
        return Seq2Seq(source_embedding, target_embedding, encoder, decoder, task.target_vocabulary, task.copy_map)


def _check_copy_map(variant: Variant, task: Task) -> None:
    copy_map, num_symbols = task.copy_map, len(task.source_vocabulary)
    if copy_map is None:
        return
    if len(copy_map) != num_symbols:
        message = f"the task's copy_map has {len(copy_map)} entries, and its source has {num_symbols} symbols"
        raise recipe_error(variant, ("task",), message)
    invalid = [i for i in copy_map if not -1 <= i < task.target_vocabulary.num_outputs]
    if invalid:
        message = f"the task's copy_map contains {invalid[0]}, which is not the id of a target symbol"
        raise recipe_error(variant, ("task",), message)


def _feeding(variant: Variant) -> Callable[[int], Feeding]:
    if variant.train.scheduled_sampling is None:
        return lambda step: TEACHER_FORCING
    options = variant.train.scheduled_sampling()
    schedule: Schedule = options.schedule(variant.train.steps)
    return lambda step: Feeding(min(1.0, max(0.0, schedule.factor(step))), options.per)


def count_parameters(model: torch.nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
