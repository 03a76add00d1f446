"""Learnt vectors. Bengio et al. 2003, Journal of Machine Learning Research 3."""

from torch import Tensor, nn

from seqtool.api import Embedding, Size, Vocabulary


class Learned(Embedding):
    """A learnt vector for each symbol.

    Equation:
        x = E[symbol]

    Source: Bengio et al. 2003, Journal of Machine Learning Research 3.

    When to use: vocabularies of more than a few dozen symbols, or symbols that are alike.

    Args:
        vocabulary: the symbols.
        embedding_size: E, the width of a vector.
    """

    def __init__(self, vocabulary: Vocabulary, *, embedding_size: Size) -> None:
        super().__init__()
        self.output_size = embedding_size
        self.vectors = nn.Embedding(len(vocabulary), embedding_size)

    def forward(self, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        return self.vectors(ids)
