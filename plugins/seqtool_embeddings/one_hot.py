"""One-hot vectors."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Embedding, Vocabulary, accelerated


class OneHot(Embedding):
    """One-hot vectors; symbols without content (blank, start) are the zero vector.

    Equation:
        x_k = [symbol = k]

    Source: the recurrent-attention example that the alignment task comes from.

    When to use: small alphabets, or if attention weights should be interpreted as weights of symbols; it has no
    parameters.

    Args:
        vocabulary: the symbols; the vector size is the number of those with content.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        content = [i for i in range(len(vocabulary)) if i not in vocabulary.empty]
        self.output_size = len(content)
        self.register_buffer("table", torch.zeros(len(vocabulary), len(content)), persistent=False)
        self.table[content, torch.arange(len(content))] = 1

    @accelerated
    def forward(self, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        return F.embedding(ids, self.table)
