"""The contract of a normalizer: scores -> weights."""

from torch import Tensor, nn

from seqtool.parts.tree import Tree


class Normalizer(nn.Module):
    """Takes `(query_size, *, ...)`.

    Attributes:
        parallel: whether `forward` may be given T > 1 steps at once.
        normalized: whether a row of weights sums to one; copying decoders refuse those that do not.
        num_energies: E, how many scores a position needs; with E > 1 scores come as `[B, E, T, S]`.
        log_weights: whether it takes scores as logarithms of weights; other scorers may then give huge ones.
        reads_query: whether weights depend on the query beside the scores.
    """

    kind = "normalizer"
    parallel: bool = True
    normalized: bool = True
    log_weights: bool = False
    num_energies: int = 1
    reads_query: bool = False

    def start(self, memory: Tensor, mask: Tensor) -> Tree:
        """The state before the first step, for `memory [B, S, M]`, `mask [B, S]`: a tree of tensors `[B, ...]`.

        The default is no state.
        """
        return ()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """`scores [B, T, S]`, `mask [B, S]`, `query [B, T, Q]` -> `(weights [B, T, S], state)`.

        Scores at padding arrive as the lowest finite number of their dtype. Weights are >= 0; those at padding
        are set to zero afterwards by `Attention`, so a row with no real position ends as zeros.
        """
        raise NotImplementedError
