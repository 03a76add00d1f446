"""The contract of a search: a trained model -> generated sequences."""

from typing import NamedTuple, Protocol

from torch import Tensor

from seqtool.parts.tree import Tree
from seqtool.parts.vocabulary import Vocabulary


class StepModel(Protocol):
    """The interface of a model that searches use."""

    target_vocabulary: Vocabulary

    def start(self, source: Tensor, source_mask: Tensor) -> tuple[Tree, Tree]:
        """`(fixed, state)` for `source [B, S]` or `[B, S, F]`: trees of tensors `[B, ...]`.

        A beam search repeats both once (`tree.repeat_rows`) and selects rows of `state` (`tree.select_rows`).
        """
        ...

    def step(self, ids: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """The last output ids `[B]` -> `(logits [B, V], weights [B, N, S] or None, state)`.

        If the target vocabulary is `Continuous`, the last output `[B, F]` -> the next output `[B, F]`.
        """
        ...

    def observe(self, ids: Tensor, fixed: Tree, state: Tree) -> Tree:
        """The state after the output `ids [B]`. A search calls it between two steps; see `Decoder.observe`."""
        ...


class Hypotheses(NamedTuple):
    """K hypotheses for each of B sources, best first.

    `ids [B, K, T]`, including the end symbol, 0 at padding; `mask [B, K, T]`; `scores [B, K]`, the sum of
    log-probabilities, minus infinity for missing hypotheses; `weights [B, K, N, T, S]`, None for a model without
    attention. For continuous targets, `ids` are values `[B, K, T, F]` and scores are NaN.
    """

    ids: Tensor
    mask: Tensor
    scores: Tensor
    weights: Tensor | None


class Search:
    """Takes `(*, ...)`.

    Attributes:
        stochastic: whether symbols are sampled, so that the output for a source may depend on its batch.
        requires: see `REQUIREMENTS`: "symbols" or "continuous" targets, neither for both.
        count_option: the name of its option for the number of hypotheses per source; None if there is always one.
    """

    kind = "search"
    stochastic: bool = False
    requires: frozenset[str] = frozenset({"symbols"})
    count_option: str | None = None

    def rank(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The values by which hypotheses are sorted, highest first: `scores [B, K]`, `lengths [B, K]` -> `[B, K]`."""
        return scores

    def search(self, model: StepModel, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        """`source [B, S]` -> hypotheses of at most `max_length` symbols; exactly as many without an end symbol."""
        raise NotImplementedError
