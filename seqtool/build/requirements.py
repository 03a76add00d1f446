"""Checks what parts require (`requires`) against what the task and the decoder provide."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from seqtool.build.recipe_errors import recipe_error
from seqtool.errors import MisuseError, PluginError, Problem, RecipeError
from seqtool.parts.task import Task
from seqtool.parts.vocabulary import Vocabulary
from seqtool.recipe import Reference, Variant
from seqtool.registry import Registered, Registry
from seqtool.registry.requirement_names import requirement_problem

Side = Literal["source", "target"]
_PATHS = {
    "embedding": ("model", "embedding"),
    "encoder": ("model", "encoder"),
    "decoder": ("model", "decoder"),
    "loss": ("train", "loss"),
    "metric": ("train", "metrics"),
    "search": ("train", "search"),
}


@dataclass(frozen=True)
class LocatedPart:
    """A part, or its class before it is built, with its kind, name, path in the recipe, and side of the task."""

    part: Any
    kind: str
    name: str
    path: tuple[str | int, ...]
    side: Side = "target"


@dataclass(frozen=True)
class Provided:
    """What a task and a decoder provide.

    Attributes:
        num_heads: the decoder's number of attention heads; None before it is built, when "weights" counts as provided.
    """

    task: Task
    num_heads: int | None = None

    def names(self, side: Side = "target") -> frozenset[str]:
        """The names of the requirements that are met on a side."""
        provided = {
            _vocabulary(self.task, side).modality: True,
            "weights": self.num_heads != 0,
            "alignment": self.task.has_alignment,
            "copy_map": self.task.copy_map is not None,
            "complete_copy_map": self.task.copy_map is not None and not _never_copied(self.task),
        }
        return frozenset(name for name, there in provided.items() if there)

    def fits(self, part: Any, side: Side = "target") -> bool:
        """Whether the requirements of a part, or of its class, are met."""
        requires: frozenset[str] = getattr(part, "requires", frozenset())
        return requires <= self.names(side)

    def defaults(self, kind: str, registry: Registry) -> list[Registered]:
        """The parts of a kind with `default` whose requirements are met, in the order of their plugins."""
        return [part for part, cls in _loaded(registry, kind) if cls.default and self.fits(cls)]

    def problem(self, placed: LocatedPart, registry: Registry) -> tuple[str, str] | None:
        """The message for a requirement that is not met, and the parts of the kind that fit; None if all are met."""
        label = f"{placed.kind} {placed.name}"
        if wrong := requirement_problem(placed.part):
            return f"{label} {wrong}", ""
        if self.fits(placed.part, placed.side):
            return None
        missing = placed.part.requires - self.names(placed.side)
        wants, lack = next(messages for name, messages in _MESSAGES.items() if name in missing)
        others = [registry.label(part) for part, cls in _loaded(registry, placed.kind) if self.fits(cls, placed.side)]
        return f"{label} {wants}, and {lack(self.task, placed.side)}", ", ".join(sorted(others))


def check_requirements(variant: Variant, provided: Provided, parts: Iterable[LocatedPart]) -> None:
    """Check the requirements of the parts of a variant.

    Raises:
        RecipeError: for each part whose requirements are not met, the message, and the parts of its kind that fit.
    """
    problems: dict[str, Problem] = {}
    for placed in parts:
        if found := provided.problem(placed, variant.registry):
            error = recipe_error(variant, placed.path, *found)
            problems |= {str(problem): problem for problem in error.problems}
    if problems:
        raise RecipeError(problems.values())


def slot_parts(variant: Variant) -> list[LocatedPart]:
    """The classes of the parts that a variant names, including those in nested slots."""
    train = variant.train
    source = [variant.embedding, variant.encoder]
    target = [variant.target_embedding, variant.decoder, train.loss, *(train.metrics or ()), train.search]
    sides: tuple[tuple[list[Any], Side], ...] = ((source, "source"), (target, "target"))
    return [placed for slots, side in sides for placed in _slots(slots, side)]


def _slots(value: Any, side: Side) -> Iterator[LocatedPart]:
    if isinstance(value, Reference):
        yield LocatedPart(value.cls, value.kind, value.name, value.path, side)
        yield from _slots(list(value.options.values()), side)
    elif isinstance(value, list):
        for one in value:
            yield from _slots(one, side)


def built_parts(variant: Variant, *parts: Any) -> list[LocatedPart]:
    """Built parts and their inner parts that have requirements. A requirement is attributed to the innermost part."""
    return [placed for part in parts for placed in _within(variant, part)]


def _within(variant: Variant, part: Any, path: tuple[str, ...] = (), side: Side = "target") -> Iterator[LocatedPart]:
    kind = getattr(part, "kind", "")
    path = _PATHS.get(kind, path)
    inner: set[str] = set()
    for name, child in part.named_children() if isinstance(part, nn.Module) else ():
        on = "source" if name in ("source_embedding", "encoder") else side
        for placed in _within(variant, child, path, on):
            inner |= placed.part.requires
            yield placed
    if getattr(part, "requires", frozenset()) - inner:
        yield LocatedPart(part, kind, variant.registry.name_of(part), path, side)


def check_search(search: Any, name: str, task: Task, registry: Registry) -> None:
    """Check the requirements of a search, or its class, that is chosen for a trained model.

    Raises:
        MisuseError: the task does not provide them.
    """
    if found := Provided(task).problem(LocatedPart(search, "search", name, ()), registry):
        raise MisuseError(found[0], allowed=[found[1]] if found[1] else [])


def _loaded(registry: Registry, kind: str) -> Iterator[tuple[Registered, Any]]:
    """The parts of a kind with their classes, in the order of their plugins. Warns about those that fail to import."""
    for plugin in registry.plugins:
        for part in plugin.components if plugin.status == "ok" else ():
            if part.kind == kind:
                try:
                    yield part, part.load()
                except PluginError as error:
                    warnings.warn(str(error), stacklevel=2)


def _vocabulary(task: Task, side: Side) -> Vocabulary:
    return task.source_vocabulary if side == "source" else task.target_vocabulary


def _never_copied(task: Task) -> list[str]:
    """The target symbols that no source symbol is copied as, according to `copy_map`."""
    target, copied = task.target_vocabulary, set(task.copy_map or ())
    return [symbol for i, symbol in enumerate(target.symbols[: target.num_outputs]) if i not in copied]


def _modality(task: Task, side: Side) -> str:
    return f"the {side}s of this task are {_vocabulary(task, side).modality}"


def _copying(task: Task, side: Side) -> str:
    if task.copy_map is None:
        return "the task does not declare a `copy_map`"
    return f"{', '.join(map(repr, _never_copied(task)[:3]))} of the target never occurs in the source"


_MESSAGES: dict[str, tuple[str, Callable[[Task, Side], str]]] = {
    "symbols": ("requires symbols", _modality),
    "continuous": ("requires continuous values", _modality),
    "copy_map": ("copies source symbols", _copying),
    "complete_copy_map": ("can only copy", _copying),
    "weights": ("requires attention weights", lambda task, side: "this decoder has no attention"),
    "alignment": ("requires gold alignments", lambda task, side: "this task has none"),
}
"""For each requirement, in the order of reporting: what a part with it does, and the reason that it is not met."""
