"""Embedded symbols by their table, so that a map of them costs one product per symbol instead of one per position."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from seqtool.api import own_modules, own_parameters, part_name

LEAST_WIDTH = 16
"""Narrower vectors are mapped in less time than it takes to look up what was made of them."""
LEARNED, ONE_HOT = "embedding/embeddings:learned", "embedding/embeddings:one_hot"


@dataclass(frozen=True)
class LookedUp:
    """Vectors x `[B, L, E]` that are rows of a table: `x[b, i] = table[ids[b, i]]`.

    A map W x then is `(table W^T)[ids]`: a product for each symbol that there is, not for each position; and so it is
    for the gradient.

    Attributes:
        table: `[symbols, E]`.
        ids: `[B, L]`, int64, contiguous.
    """

    table: Tensor
    ids: Tensor

    def mapped(self, weight: Tensor) -> Tensor:
        """`table W^T [symbols, O]`, of `weight [O, E]`."""
        return self.table @ weight.t()

    def room(self, weight: Tensor) -> Tensor:
        """Room for what `mapped` gives, whose numbers the backward pass does not need again."""
        return self.table.new_empty(len(self.table), len(weight))

    def of_map(self, weight: Tensor, of_mapped: Tensor) -> tuple[Tensor | None, Tensor]:
        """The gradients of the table, if one is wanted, and of the weight."""
        return of_mapped @ weight if self.table.requires_grad else None, of_mapped.t() @ self.table

    def x(self) -> Tensor:
        """The vectors."""
        return F.embedding(self.ids, self.table)


def table_refusal(embedding: Any) -> str | None:
    """Why an embedding is no table that is worth it; None where it is one."""
    name = part_name(embedding)
    if name not in (LEARNED, ONE_HOT):
        return f"its embedding is {type(embedding).__name__}; known are Learned and OneHot"
    if name == LEARNED and (dropout := own_modules(embedding)["dropout"].p):
        return f"the dropout of its embedding is {dropout:g}"
    if embedding.output_size < LEAST_WIDTH:
        return f"its embedding has {embedding.output_size} columns; from {LEAST_WIDTH} on it is worth it"
    return None


def table_of(embedding: Any) -> Tensor:
    """All vectors `[symbols, E]` of an embedding that `table_refusal` does not refuse."""
    learned = part_name(embedding) == LEARNED
    table: Tensor = own_parameters(own_modules(embedding)["vectors"])["weight"] if learned else embedding.table
    return table


def lookup_refusal(table: Tensor, ids: Tensor) -> str | None:
    """Why these `ids [B, L]` are better embedded one by one; None where each symbol should be mapped once."""
    if ids.device != table.device:
        return f"its ids are on {ids.device}"
    if 2 * len(table) > ids.numel():
        return f"{ids.numel()} positions are few for {len(table)} symbols"
    return None
