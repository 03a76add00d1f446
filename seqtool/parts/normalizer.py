"""The contract of a normalizer: scores -> attention weights."""

from torch import Tensor, nn

from seqtool.parts.tree import Tree


class Normalizer(nn.Module):
    """Takes `(query_size, *, ...)`.

    Attributes:
        parallel: whether `forward` accepts T > 1 steps in parallel.
        normalized: whether each row of weights sums to one; copying decoders require it.
        num_energies: E, the number of scores per position; if E > 1, scores are `[B, E, T, S]`.
        log_weights: whether it interprets scores as logarithms of weights. With a scorer that does not return
            logarithms, weights may become very large.
        reads_query: whether weights depend on the query as well as on the scores.
    """

    kind = "normalizer"
    parallel: bool = True
    normalized: bool = True
    log_weights: bool = False
    num_energies: int = 1
    reads_query: bool = False

    def start(self, memory: Tensor, mask: Tensor) -> Tree:
        """The state before the first step, for `memory [B, S, M]`, `mask [B, S]`: a tree of tensors, `()` for none."""
        return ()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """`scores [B, T, S]`, `mask [B, S]`, `query [B, T, Q]` -> `(weights [B, T, S], state)`.

        Scores at padding are the lowest finite number of their dtype. Weights are >= 0. `Attention` sets weights at
        padding to zero afterwards, so a row without real positions has only zeros.
        """
        raise NotImplementedError
