"""One-hot vectors; the blank and the start symbol are the zero vector."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Embedding, Vocabulary, accelerated


class OneHot(Embedding):
    """A one where the symbol is, zeros elsewhere. Symbols without content (blank, start) are the zero vector.

    Equation:
        x_k = [symbol = k]

    Source: the recurrent-attention example that the alignment task comes from.

    When to use: small alphabets, and whenever weights should be read as weights of symbols: nothing is learnt before
    the encoder.

    Args:
        vocabulary: the symbols; as many columns as have content.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        filled = [i for i in range(len(vocabulary)) if i not in vocabulary.empty]
        self.output_size = len(filled)
        self.register_buffer("table", torch.zeros(len(vocabulary), len(filled)), persistent=False)
        self.table[filled, torch.arange(len(filled))] = 1

    @accelerated
    def forward(self, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        return F.embedding(ids, self.table)
