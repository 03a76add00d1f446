"""Pointer-generator networks. See et al. 2017, arXiv 1704.04368, eqs 8-9."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.api import Decoder, Encoded, Factory, PartError, Tree
from seqtool_decoders.copying import copied_probability, log_probability, require_normalized_weights


class PointerGeneratorFixed(NamedTuple):
    """The memory `[B, S, M]`, and the `fixed` of the wrapped decoder."""

    memory: Tensor
    decoder: Tree


class PointerGenerator(Decoder):
    """Any decoder with attention, extended to generate a symbol or copy one from the source.

    Equation:
        p_gen = sigma(w . [f_i; c_i; y_{i-1}] + b);  c_i = sum_j a_ij h_j
        p(y) = p_gen softmax(logits_i)_y + (1 - p_gen) sum over j with x_j = y of a_ij

    Source: See et al. 2017, arXiv 1704.04368, eqs 8-9; f_i are the features of the wrapped decoder.

    The task's `copy_map` maps source symbols to target symbols; positions whose symbol it maps to none are not copied.
    The logits are logarithms of p.

    When to use: targets that repeat parts of the source (names, numbers, rare words) among other symbols.

    Args:
        input_size: E, the size of an embedded target symbol.
        memory_size: M, the size of a memory vector.
        final_sizes: the sizes of the encoder's final states.
        output_size: V, the number of target symbols.
        decoder: the wrapped decoder; its attention weights must sum to one.

    Raises:
        PartError: the wrapped decoder has no attention, its weights do not sum to one, or it only copies.
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
        require_normalized_weights(self.decoder, "decoder")
        if "complete_copy_map" in self.decoder.requires:
            raise PartError(
                f"{type(self.decoder).__name__} outputs nothing but copies",
                option="decoder",
                allowed="a decoder that also generates, such as attend_before",
            )
        self.num_heads = self.decoder.num_heads
        self.gate = nn.Linear(self.decoder.feature_size + memory_size + input_size, 1)
        self.feature_size = self.decoder.feature_size + 1

    @property
    def observes(self) -> bool:
        """See `Decoder.observes`; the wrapped decoder's."""
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
        assert weights is not None
        gated = self._append_gate(features.unsqueeze(1), weights.unsqueeze(2), inputs.unsqueeze(1), fixed.memory)
        return gated.squeeze(1), weights, state

    def unroll(self, inputs: Tensor, fixed: PointerGeneratorFixed, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`; the wrapped decoder's `unroll` and one product."""
        features, weights, state = self.decoder.unroll(inputs, fixed.decoder, state)
        assert weights is not None
        return self._append_gate(features, weights, inputs, fixed.memory), weights, state

    def readout(self, features: Tensor, weights: Tensor | None, source: Tensor) -> Tensor:
        """See `Decoder.readout`; log-probabilities."""
        assert weights is not None
        inner, gate = features[..., :-1], features[..., -1:].sigmoid()
        generated = self.decoder.readout(inner, weights, source).softmax(-1)
        copied = copied_probability(weights, source, self.output_size)
        return log_probability(gate * generated + (1 - gate) * copied)

    def _append_gate(self, features: Tensor, weights: Tensor, inputs: Tensor, memory: Tensor) -> Tensor:
        """The wrapped decoder's features and the logit of p_gen, concatenated: `[B, T, D]`."""
        context = weights.mean(1) @ memory
        return torch.cat([features, self.gate(torch.cat([features, context, inputs], 2))], 2)
