"""What decoders that copy share: weights over source positions -> probabilities of target symbols."""

from torch import Tensor

from seqtool.api import Attention, Decoder, PartError

EPSILON = 1e-9
"""Keeps logarithms and quotients finite; symbols less probable than this are all alike."""


def copied_probability(weights: Tensor, source: Tensor, output_size: int) -> Tensor:
    """`weights [B, N, T, S]`, `source [B, S]` as `Decoder.readout` has it -> `[B, T, V]`, summing to one over V.

    The mean over heads; what looks at positions that stand for no symbol (-1) is shared out among the others, so the
    probabilities are those of pointing at a position that can be copied. Zeros where there is none.

    Raises:
        PartError: an encoder that shortens the source.
    """
    if weights.shape[3] != source.shape[1]:
        raise PartError(
            f"copying needs a memory as long as the source: {weights.shape[3]} weights for {source.shape[1]} positions"
        )
    share = weights.mean(1).masked_fill((source < 0).unsqueeze(1), 0)
    index = source.clamp(min=0).unsqueeze(1).expand_as(share)
    probability = share.new_zeros(*share.shape[:2], output_size).scatter_add(2, index, share)
    return probability / share.sum(2, keepdim=True).clamp(min=EPSILON)


def log_probability(probability: Tensor) -> Tensor:
    """Logits whose softmax is `probability`."""
    return (probability + EPSILON).log()


def refuse_unnormalized(decoder: Decoder, option: str) -> None:
    """Copying reads weights as probabilities.

    Raises:
        PartError: the decoder has no attention, or one whose weights do not sum to one.
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
