"""Learnt embeddings. Bengio et al. 2003, Journal of Machine Learning Research 3."""

from torch import Tensor, nn

from seqtool.api import Embedding, Probability, Size, Vocabulary, accelerated


class Learned(Embedding):
    """A learnt vector for each symbol.

    Equation:
        x = E[symbol]; in training m E[symbol], m ~ Bernoulli(1 - dropout) / (1 - dropout), for each element

    Source: Bengio et al. 2003, Journal of Machine Learning Research 3; dropout: Srivastava et al. 2014, the same
    journal 15.

    When to use: vocabularies of more than a few dozen symbols, or of similar symbols.

    Args:
        vocabulary: the symbols.
        embedding_size: E, the size of a vector.
        dropout: the dropout probability of an element.
    """

    def __init__(self, vocabulary: Vocabulary, *, embedding_size: Size, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.output_size = embedding_size
        self.vectors = nn.Embedding(len(vocabulary), embedding_size)
        self.dropout = nn.Dropout(dropout)

    @accelerated
    def forward(self, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        return self.dropout(self.vectors(ids))
