"""The loss and the metrics of a variant: those that it names, otherwise the defaults whose requirements are met."""

from typing import Any

from seqtool.build.recipe_errors import recipe_error
from seqtool.build.requirements import Provided
from seqtool.parts.metric import Metric
from seqtool.recipe import Reference, Variant, reference


def loss_reference(variant: Variant, provided: Provided) -> Reference:
    """The loss of a variant; if it names none, the one with `default` whose requirements are met.

    Raises:
        RecipeError: no default loss fits, or several do.
    """
    if variant.train.loss is not None:
        return _reference(variant.train.loss)
    registry = variant.registry
    found = provided.defaults("loss", registry)
    if len(found) != 1:
        message = f"{len(found) or 'no'} default losses fit this task: name one"
        fitting = ", ".join(registry.label(part) for part in found or registry.parts("loss"))
        raise recipe_error(variant, ("train", "loss"), message, fitting)
    return reference("loss", found[0].canonical, registry)


def build_metrics(variant: Variant, provided: Provided) -> dict[str, Metric]:
    """The metrics of a variant by column name.

    If `train.metrics` is null, these are all metrics with `default` whose requirements are met: first those of
    predictions, then those of attention weights, each in the order of their plugins.

    Raises:
        RecipeError: two metrics have the same column name.
    """
    registry, named = variant.registry, variant.train.metrics
    if named is not None:
        chosen = [_reference(slot) for slot in named]
    else:
        defaults = (reference("metric", part.canonical, registry) for part in provided.defaults("metric", registry))
        chosen = sorted(defaults, key=lambda metric: "weights" in _requires(metric))
    columns = {metric.name.rpartition(":")[2]: metric for metric in chosen}
    if len(columns) < len(chosen):
        names = ", ".join(metric.name for metric in chosen)
        message = f"two metrics have the same column name ({names})"
        raise recipe_error(variant, ("train", "metrics"), message, "a list of metrics with different names")
    return {name: metric() for name, metric in columns.items()}


def _requires(metric: Reference) -> frozenset[str]:
    found: frozenset[str] = metric.cls.requires  # type: ignore[attr-defined]
    return found


def _reference(slot: Any) -> Reference:
    assert isinstance(slot, Reference), "slots of a recipe contain references"
    return slot
