"""Embeddings that tell what they took their vectors from, so that maps of them cost a product a symbol."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Kernel
from seqtool_fused.calling import ready
from seqtool_fused.library import missing

_MARK = "_seqtool_looked_up"
LEAST_WIDTH = 16
"""Narrower vectors are mapped in less time than it takes to look up what was made of them."""


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
        """Room for what `mapped` gives, whose numbers the way back does not want again."""
        return self.table.new_empty(len(self.table), len(weight))

    def of_map(self, weight: Tensor, of_mapped: Tensor) -> tuple[Tensor | None, Tensor]:
        """The gradients of the table, if one is wanted, and of the weight."""
        return of_mapped @ weight if self.table.requires_grad else None, of_mapped.t() @ self.table

    def x(self) -> Tensor:
        """The vectors."""
        return F.embedding(self.ids, self.table)


def mark(x: Tensor, found: LookedUp) -> Tensor:
    """`x`, which from now on tells where its rows are from; not one of inference mode, which hides writes."""
    if not x.is_inference():
        setattr(x, _MARK, (found, x._version))
    return x


def looked_up(x: Tensor) -> LookedUp | None:
    """Where the rows of x are from, if it was marked, was not written to since, and it is worth it to map symbols."""
    found, version = getattr(x, _MARK, (None, -1))
    if found is None or version != x._version:
        return None
    if found.table.shape[1] < LEAST_WIDTH or 2 * len(found.table) > found.ids.numel():
        return None
    return found if ready(found.table) else None


class _LookUpKernel(Kernel):
    method = "forward"

    def unavailable(self) -> str | None:
        """See `Kernel.unavailable`; without the library nobody asks for symbols."""
        return missing()

    def __call__(self, module: Any, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        table = self.table(module)
        if not ready(table):
            result: Tensor = self.reference(module, ids)
            return result
        found = LookedUp(table, ids.contiguous())
        return mark(found.x(), found)

    def table(self, module: Any) -> Tensor:
        """All vectors `[symbols, E]`."""
        raise NotImplementedError


class LearnedKernel(_LookUpKernel):
    """`Learned.forward` without dropout; the vectors say of which rows of the table they are.

    Equation:
        as embedding/learned

    Source: its part's, embedding/learned.

    When to use: chosen by `engine: auto`. The kernels of recurrent encoders and decoders then map each symbol once, not
    at each position: of a small alphabet that is a good part of their products.
    """

    of = ("seqtool_embeddings.learned:Learned",)
    examples = (("embedding/learned", {"embedding_size": 5}),)

    def serves(self, module: Any) -> str | None:
        """See `Kernel.serves`."""
        return f"its dropout is {module.dropout.p:g}" if module.dropout.p else None

    def table(self, module: Any) -> Tensor:
        """See `_LookUpKernel.table`."""
        weight: Tensor = module.vectors.weight
        return weight


class OneHotKernel(_LookUpKernel):
    """`OneHot.forward`; the vectors say of which rows of the table they are.

    Equation:
        as embedding/one_hot

    Source: its part's, embedding/one_hot.

    When to use: chosen by `engine: auto`; see kernel/learned.
    """

    of = ("seqtool_embeddings.one_hot:OneHot",)
    examples = (("embedding/one_hot", {}),)

    def table(self, module: Any) -> Tensor:
        """See `_LookUpKernel.table`."""
        table: Tensor = module.table
        return table
