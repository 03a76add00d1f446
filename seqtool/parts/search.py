"""The contract of a search: a trained model -> the sequences it writes by itself."""

from typing import NamedTuple, Protocol

from torch import Tensor

from seqtool.parts.tree import Tree
from seqtool.parts.vocabulary import Vocabulary


class StepModel(Protocol):
    """What a search may ask of a model."""

    target_vocabulary: Vocabulary

    def start(self, source: Tensor, source_mask: Tensor) -> tuple[Tree, Tree]:
        """`(fixed, state)` for `source [B, S]` or `[B, S, F]`, trees of tensors `[B, ...]`.

        `fixed` is repeated once for a beam, rows of `state` are selected (`tree.repeat_rows`, `tree.select_rows`).
        """
        ...

    def step(self, ids: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """Ids just written `[B]` -> `(logits [B, V], weights [B, N, S] or None, state)`.

        Where the target vocabulary is `Continuous`, values just written `[B, F]` -> the next position's `[B, F]`.
        """
        ...

    def observe(self, ids: Tensor, fixed: Tree, state: Tree) -> Tree:
        """The state after a step generated `ids [B]`; to be called between two steps, see `Decoder.observe`."""
        ...


class Hypotheses(NamedTuple):
    """K hypotheses for each of B sources, best first.

    `ids [B, K, T]`, the end symbol included, 0 at padding; `mask [B, K, T]`; `scores [B, K]`, the sum of
    log-probabilities, minus infinity where there are fewer hypotheses than asked for; `weights [B, K, N, T, S]`, or
    None for a model without attention. Values are `ids [B, K, T, F]`, and their scores NaN, since nothing is probable.
    """

    ids: Tensor
    mask: Tensor
    scores: Tensor
    weights: Tensor | None


class Search:
    """Takes `(*, ...)`.

    Attributes:
        stochastic: whether symbols are drawn, so that a source may give something else in another batch.
        requires: "symbols" or "continuous" targets, neither for a search of both; see `REQUIREMENTS`.
        count_option: its option that says how many hypotheses a source gets; None where there is always one.
    """

    kind = "search"
    stochastic: bool = False
    requires: frozenset[str] = frozenset({"symbols"})
    count_option: str | None = None

    def rank(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """What hypotheses are sorted by, the best first: of their scores and lengths, both `[B, K]`."""
        return scores

    def search(self, model: StepModel, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        """`source [B, S]` -> hypotheses of at most `max_length` symbols; exactly that many where no end symbol is."""
        raise NotImplementedError
