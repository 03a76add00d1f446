"""Continuous values instead of symbols: nothing to embed."""

import torch
from torch import Tensor

from seqtool.api import Continuous, Embedding, PartError, Vocabulary


class ContinuousEmbedding(Embedding):
    """The values of a position themselves, in the precision of the model.

    Equation:
        x = v

    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), section 5.4, feed them so.

    When to use: sources or targets that are numbers and not symbols, such as those of the tasks adding and
    multiplication. What maps them is the encoder, or the decoder's cell.

    Args:
        vocabulary: says how many values a position has.

    Raises:
        PartError: the side has symbols.
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
