"""Embedded symbols as rows of a table: a linear map of them needs one product per symbol, not per position."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from seqtool.api import own_modules, own_parameters, part_name

MIN_WIDTH = 16
"""For narrower vectors, products at all positions are faster than lookups."""
LEARNED, ONE_HOT = "embedding/embeddings:learned", "embedding/embeddings:one_hot"


@dataclass(frozen=True)
class EmbeddingLookup:
    """Vectors x `[B, L, E]` that are rows of a table: `x[b, i] = table[ids[b, i]]`.

    A linear map W x is `(table W^T)[ids]`, and its gradient likewise needs one product per symbol.

    Attributes:
        table: `[symbols, E]`.
        ids: `[B, L]`, int64, contiguous.
    """

    table: Tensor
    ids: Tensor

    def project(self, weight: Tensor) -> Tensor:
        """`table W^T [symbols, O]`, for `weight [O, E]`."""
        return self.table @ weight.t()

    def projected_buffer(self, weight: Tensor) -> Tensor:
        """An empty tensor of the shape of `project(weight)`, all that the backward pass needs of it."""
        return self.table.new_empty(len(self.table), len(weight))

    def projection_gradients(self, weight: Tensor, grad_projected: Tensor) -> tuple[Tensor | None, Tensor]:
        """The gradients of the table, None if it requires none, and of the weight."""
        return grad_projected @ weight if self.table.requires_grad else None, grad_projected.t() @ self.table

    def vectors(self) -> Tensor:
        """x."""
        return F.embedding(self.ids, self.table)


def table_refusal(embedding: Any) -> str | None:
    """Why lookups are not used for an embedding; None if they are."""
    name = part_name(embedding)
    if name not in (LEARNED, ONE_HOT):
        return f"its embedding is {type(embedding).__name__}; Learned and OneHot are supported"
    if name == LEARNED and (dropout := own_modules(embedding)["dropout"].p):
        return f"the dropout of its embedding is {dropout:g}"
    if embedding.output_size < MIN_WIDTH:
        return f"its embedding has {embedding.output_size} columns; lookups pay off from {MIN_WIDTH} on"
    return None


def embedding_table(embedding: Any) -> Tensor:
    """The vectors `[symbols, E]` of an embedding that `table_refusal` accepts."""
    learned = part_name(embedding) == LEARNED
    table: Tensor = own_parameters(own_modules(embedding)["vectors"])["weight"] if learned else embedding.table
    return table


def lookup_refusal(table: Tensor, ids: Tensor) -> str | None:
    """Why `ids [B, L]` are embedded position by position; None if each symbol should be mapped once."""
    if ids.device != table.device:
        return f"its ids are on {ids.device}"
    if 2 * len(table) > ids.numel():
        return f"{ids.numel()} positions are too few for {len(table)} symbols"
    return None
