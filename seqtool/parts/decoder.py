"""The contract of a decoder: what attends where."""

import torch
from torch import Tensor, nn

from seqtool.parts.cell import stack_steps
from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated
from seqtool.parts.tree import Tree
from seqtool.parts.types import Encoded


class Decoder(nn.Module):
    """Takes `(input_size, memory_size, final_sizes, output_size, *, ...)`.

    Cell, attention and readout are its slots, since it alone knows the widths that it feeds them. How inputs are
    chosen (teacher forcing, greedy, beam, sampling) is not its business.

    `fixed` and `state` are trees of tensors `[B, ...]` (see `seqtool.parts.tree`), of any structure and shape: a cell's
    state, an attention's, a cache that grows with every step.

    Attributes:
        feature_size: D, the width of the features that the readout gets.
        num_heads: N of its weights; 0 for a decoder without attention.
        requires: what must be there, see `REQUIREMENTS`. One that copies requires "symbols" and a "copy_map": its
            `readout` gets what source positions are copied as, and its logits are log-probabilities. One that outputs
            nothing but copies requires a "complete_copy_map" too.
    """

    kind = "decoder"
    kernels: Kernels = NO_KERNELS
    feature_size: int
    num_heads: int = 0
    requires: frozenset[str] = frozenset()
    readout_layer: nn.Module

    def start(self, encoded: Encoded) -> tuple[Tree, Tree]:
        """`(fixed, state)` before the first step."""
        raise NotImplementedError

    def step(self, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """`inputs [B, E]` -> `(features [B, D], weights [B, N, S] or None, state)`."""
        raise NotImplementedError

    @property
    def observes(self) -> bool:
        """Whether the next step depends on the symbol itself: whether `observe` is overridden."""
        return type(self).observe is not Decoder.observe

    def observe(self, ids: Tensor, fixed: Tree, state: Tree) -> Tree:
        """The state after the symbols `ids [B]` were generated or taught; of continuous targets, the values `[B, F]`.

        It is called between two steps, by teacher forcing, scheduled sampling and every search, with what the next step
        is fed. The default changes nothing. A decoder that overrides it is trained step by step.
        """
        return state

    @accelerated
    def unroll(self, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """`inputs [B, T, E]` -> `(features [B, T, D], weights [B, N, T, S] or None, state)`.

        This loop is the meaning; it is overridden where the mathematics allow all steps at once.
        """
        all_features: list[Tensor] = []
        all_weights: list[Tensor] = []
        for inputs_t in inputs.unbind(1):
            features, weights, state = self.step(inputs_t, fixed, state)
            all_features.append(features)
            if weights is not None:
                all_weights.append(weights)
        stacked = torch.stack(all_weights, 2) if all_weights else None
        return stack_steps(all_features, inputs, self.feature_size), stacked, state

    def readout(self, features: Tensor, weights: Tensor | None, source: Tensor) -> Tensor:
        """`features [B, T, D]`, `weights [B, N, T, S]` or None, `source [B, S]` -> `logits [B, T, V]`.

        `source` holds target ids: what each source position is copied as, -1 where it stands for no target symbol.
        """
        logits: Tensor = self.readout_layer(features)
        return logits
