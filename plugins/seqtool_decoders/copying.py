"""Copying: attention weights over source positions -> probabilities of target symbols."""

from torch import Tensor

from seqtool.api import Attention, Decoder, PartError

EPSILON = 1e-9
"""Keeps logarithms and quotients finite; less probable symbols are indistinguishable."""


def copied_probability(weights: Tensor, source: Tensor, output_size: int) -> Tensor:
    """`weights [B, N, T, S]`, `source [B, S]` as in `Decoder.readout` -> `[B, T, V]`, which sums to one over V.

    Weights are averaged over heads, set to zero at positions that cannot be copied (-1), and renormalised. The result
    is zero if no position can be copied.

    Raises:
        PartError: the memory is shorter than the source.
    """
    if weights.shape[3] != source.shape[1]:
        raise PartError(
            f"copying needs a memory as long as the source: {weights.shape[3]} weights for {source.shape[1]} positions"
        )
    copied = weights.mean(1).masked_fill((source < 0).unsqueeze(1), 0)
    index = source.clamp(min=0).unsqueeze(1).expand_as(copied)
    probability = copied.new_zeros(*copied.shape[:2], output_size).scatter_add(2, index, copied)
    return probability / copied.sum(2, keepdim=True).clamp(min=EPSILON)


def log_probability(probability: Tensor) -> Tensor:
    """Logits whose softmax is `probability`."""
    return (probability + EPSILON).log()


def require_normalized_weights(decoder: Decoder, option: str) -> None:
    """Check that the attention weights of `decoder` are probabilities.

    Raises:
        PartError: the decoder has no attention, or its weights do not sum to one.
    """
    if not decoder.num_heads:
        raise PartError(
            "a decoder without attention has no weights to copy by",
            option=option,
            allowed="a decoder with an attention, such as attend_before",
        )
    for part in decoder.modules():
        if isinstance(part, Attention) and not part.normalizer.normalized:
            raise PartError(
                f"weights of {type(part.normalizer).__name__} do not sum to one, so they cannot be probabilities",
                option=option,
                allowed="an attention with a normalizer such as softmax or sparsemax",
            )
