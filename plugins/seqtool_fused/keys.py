"""Keys of a memory in C: one affine map of all its positions, forward and backward."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Tree
from seqtool_fused.calling import FusedKernel, Numbers, Operation, call


class Affine(Operation):
    """W x + b of x `[B, S, I]`, W `[O, I]`, and b `[O]` if there is one. See csrc/affine.c."""

    def forward(self, *inputs: Tensor) -> tuple[Numbers, Numbers]:
        """See `Operation.forward`."""
        x, weight, *bias = (tensor.contiguous() for tensor in inputs)
        y = x.new_empty(*x.shape[:2], len(weight))
        call("seqtool_affine_forward", *_sizes(x, weight), x, weight, bias[0] if bias else None, y)
        return (y,), ()

    def backward(
        self, saved: Numbers, inputs: Numbers, of_outputs: Sequence[Tensor | None], wanted: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        x, weight, *bias = (tensor.contiguous() for tensor in inputs)
        (of_y,) = of_outputs
        assert of_y is not None, "where the only output has no gradient, nothing asks for those of the inputs"
        of_x = torch.empty_like(x) if wanted[0] else None
        of_weight, of_bias = torch.zeros_like(weight), weight.new_zeros(len(weight))
        call("seqtool_affine_backward", *_sizes(x, weight), x, weight, of_y.contiguous(), of_x, of_weight, of_bias)
        return of_x, of_weight, *((of_bias,) if bias else ())

    def reference(self, *inputs: Tensor) -> Numbers:
        """See `Operation.reference`."""
        return (F.linear(*inputs),)


def _sizes(x: Tensor, weight: Tensor) -> tuple[int, int, int]:
    return x.shape[0] * x.shape[1], x.shape[2], len(weight)


class _KeysKernel(FusedKernel):
    method = "start"

    def tensors(self, part: Any, memory: Tensor, mask: Tensor) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        key_map = self.key_map(part)
        return (memory, key_map.weight) if key_map.bias is None else (memory, key_map.weight, key_map.bias)

    def __call__(self, part: Any, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`."""
        return Affine()(*self.tensors(part, memory, mask))[0], ()

    def key_map(self, module: Any) -> Any:
        """The map from the memory to its keys."""
        raise NotImplementedError


class AdditiveKeysKernel(_KeysKernel):
    """`Additive.start`: the keys of all positions.

    Equation:
        as scorer/additive: U h_j + b

    Source: its part's, scorer/additive.

    When to use: chosen by `engine: auto`; two to three times as fast as torch's general product where keys are narrow.
    """

    parts = ("scorer/attention:additive",)
    examples = (("scorer/attention:additive", {"hidden_size": 19}),)

    def key_map(self, module: Any) -> Any:
        """See `_KeysKernel.key_map`."""
        return module.key_map


class GeneralKeysKernel(_KeysKernel):
    """`General.start`: the keys of all positions.

    Equation:
        as scorer/general: W h_j

    Source: its part's, scorer/general.

    When to use: chosen by `engine: auto`; see kernel/additive_keys.
    """

    parts = ("scorer/attention:general",)
    examples = (("scorer/general", {}),)

    def key_map(self, module: Any) -> Any:
        """See `_KeysKernel.key_map`."""
        return module.map
