"""A decoder that may copy. See et al. 2017, arXiv 1704.04368."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.api import Decoder, Encoded, Factory, PartError, Tree
from seqtool_decoders.copying import copied_probability, log_probability, refuse_unnormalized


class PointerGeneratorFixed(NamedTuple):
    """The memory `[B, S, M]`, and the tree of the wrapped decoder."""

    memory: Tensor
    decoder: Tree


class PointerGenerator(Decoder):
    """Any decoder with attention, which may now either write a symbol of its own or copy one that it looks at.

    Equation:
        p_gen = sigma(w . [f_i; c_i; y_{i-1}] + b);  c_i = sum_j a_ij h_j
        p(y) = p_gen softmax(logits_i)_y + (1 - p_gen) sum over j with x_j = y of a_ij

    Source: See et al. 2017, arXiv 1704.04368, eqs 8-9, f_i being what the wrapped decoder reads out.

    Which target symbol a source symbol stands for is the task's `copy_map`; positions that stand for none take no part
    in the copying. The logits are logarithms of p.

    When to use: targets that repeat parts of the source (names, numbers, rare words) among words of their own.

    Args:
        input_size: E, the width of an embedded target symbol.
        memory_size: M, the width of the memory.
        final_sizes: the widths of the encoder's final states.
        output_size: V, how many symbols may be predicted.
        decoder: the decoder that is wrapped; its attention must have weights that sum to one.

    Raises:
        PartError: the wrapped decoder has no attention, its weights do not sum to one, or it outputs only copies.
    """

    requires = frozenset({"symbols", "copy_map"})

    def __init__(
        self,
        input_size: int,
        memory_size: int,
        final_sizes: tuple[int, ...],
        output_size: int,
        *,
        decoder: Factory[Decoder],
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.decoder = decoder(input_size, memory_size, final_sizes, output_size)
        refuse_unnormalized(self.decoder, "decoder")
        if "complete_copy_map" in self.decoder.requires:
            raise PartError(
                f"{type(self.decoder).__name__} outputs nothing but copies",
                option="decoder",
                allowed="a decoder that generates too, such as attend_before",
            )
        self.num_heads = self.decoder.num_heads
        self.gate = nn.Linear(self.decoder.feature_size + memory_size + input_size, 1)
        self.feature_size = self.decoder.feature_size + 1

    @property
    def observes(self) -> bool:
        """See `Decoder.observes`; as the wrapped decoder."""
        return self.decoder.observes

    def start(self, encoded: Encoded) -> tuple[PointerGeneratorFixed, Tree]:
        """See `Decoder.start`; the state is the wrapped decoder's."""
        fixed, state = self.decoder.start(encoded)
        return PointerGeneratorFixed(encoded.memory, fixed), state

    def observe(self, ids: Tensor, fixed: PointerGeneratorFixed, state: Tree) -> Tree:
        """See `Decoder.observe`."""
        return self.decoder.observe(ids, fixed.decoder, state)

    def step(self, inputs: Tensor, fixed: PointerGeneratorFixed, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.step`."""
        features, weights, state = self.decoder.step(inputs, fixed.decoder, state)
        assert weights is not None, "refused when built"
        gated = self._gated(features.unsqueeze(1), weights.unsqueeze(2), inputs.unsqueeze(1), fixed.memory)
        return gated.squeeze(1), weights, state

    def unroll(self, inputs: Tensor, fixed: PointerGeneratorFixed, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`; as fast as the wrapped decoder's."""
        features, weights, state = self.decoder.unroll(inputs, fixed.decoder, state)
        assert weights is not None, "refused when built"
        return self._gated(features, weights, inputs, fixed.memory), weights, state

    def readout(self, features: Tensor, weights: Tensor | None, source: Tensor) -> Tensor:
        """See `Decoder.readout`; log-probabilities."""
        assert weights is not None, "refused when built"
        inner, gate = features[..., :-1], features[..., -1:].sigmoid()
        generated = self.decoder.readout(inner, weights, source).softmax(-1)
        copied = copied_probability(weights, source, self.output_size)
        return log_probability(gate * generated + (1 - gate) * copied)

    def _gated(self, features: Tensor, weights: Tensor, inputs: Tensor, memory: Tensor) -> Tensor:
        """The wrapped decoder's features `[B, T, D]` and, after them, the logit of p_gen."""
        context = weights.mean(1) @ memory
        return torch.cat([features, self.gate(torch.cat([features, context, inputs], 2))], 2)
