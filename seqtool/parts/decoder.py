"""The contract of a decoder: one step over the target, with attention over the memory."""

import torch
from torch import Tensor, nn

from seqtool.parts.cell import stack_steps
from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated
from seqtool.parts.tree import Tree
from seqtool.parts.types import Encoded


class Decoder(nn.Module):
    """Takes `(input_size, memory_size, final_sizes, output_size, *, ...)`.

    Cell, attention and readout are slots of the decoder, because their input sizes depend on it. A decoder does not
    choose its inputs: teacher forcing and the searches do.

    `fixed` and `state` are trees of tensors `[B, ...]` (see `seqtool.parts.tree`) of any structure and shape: the state
    of a cell, the state of an attention, a cache that grows with every step.

    Attributes:
        feature_size: D, the size of the features that the readout takes.
        num_heads: N, the number of attention heads; 0 without attention.
        requires: see `REQUIREMENTS`. A decoder that copies requires "symbols" and "copy_map": its `readout` receives
            the target id of each source position, and its logits are log-probabilities. A decoder that can only copy
            also requires "complete_copy_map".
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
        """Whether the next step depends on the output symbol itself, that is, whether `observe` is overridden."""
        return type(self).observe is not Decoder.observe

    def observe(self, ids: Tensor, fixed: Tree, state: Tree) -> Tree:
        """The state after the symbols `ids [B]` were output; for continuous targets, after the vectors `[B, F]`.

        Teacher forcing, scheduled sampling and every search call it between two steps, with the input of the next step.
        The default returns the state unchanged. A decoder that overrides it is trained step by step.
        """
        return state

    @accelerated
    def unroll(self, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """`inputs [B, T, E]` -> `(features [B, T, D], weights [B, N, T, S] or None, state)`.

        This loop is the reference. Decoders whose steps can be computed in parallel override it.
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

        `source` contains the target id that each source position is copied as, -1 for none.
        """
        logits: Tensor = self.readout_layer(features)
        return logits
