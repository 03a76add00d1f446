"""Continuous values, passed to the encoder or decoder unchanged."""

import torch
from torch import Tensor

from seqtool.api import Continuous, Embedding, PartError, Vocabulary


class ContinuousEmbedding(Embedding):
    """The values of a position, converted to the dtype of the model.

    Equation:
        x = v

    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), section 5.4.

    When to use: continuous sources or targets, such as those of the tasks adding and multiplication. The encoder or the
    decoder's cell maps them.

    Args:
        vocabulary: a `Continuous`, with the number of values per position.

    Raises:
        PartError: `vocabulary` consists of symbols.
    """

    requires = frozenset({"continuous"})

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        if not isinstance(vocabulary, Continuous):
            raise PartError("this side of the task is symbols, not continuous values")
        self.output_size = vocabulary.size
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        return ids.to(self.like.dtype)
