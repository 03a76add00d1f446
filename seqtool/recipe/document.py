"""The sections of one variant of a recipe. The constructors are the schema."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Interval, MinLen
from annotated_types import Len as Length

from seqtool.recipe.train_options import TrainOptions
from seqtool.registry.options import Factory, SlotKind, named

MAX_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The `model` section.

    Args:
        target_embedding: null uses `embedding` for the target symbols too, with its own parameters.
    """

    embedding: Annotated[Factory[Any], SlotKind("embedding")] = named("one_hot")
    target_embedding: Annotated[Factory[Any], SlotKind("embedding")] | None = None
    encoder: Annotated[Factory[Any], SlotKind("encoder")] = named("identity")
    decoder: Annotated[Factory[Any], SlotKind("decoder")]


@dataclass(frozen=True, kw_only=True)
class Document:
    """One variant of a recipe, with parents merged and `${...}` resolved."""

    seqtool: Literal[1]
    name: Annotated[str, Length(1, 100)]
    seeds: Annotated[list[Annotated[int, Interval(ge=0, le=MAX_SEED)]], MinLen(1)]
    task: Annotated[Factory[Any], SlotKind("task")]
    model: Factory[ModelOptions]
    train: Factory[TrainOptions]
