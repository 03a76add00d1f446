"""Keys of a memory in C: an affine map of all positions, forward and backward."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Tree
from seqtool_fused.operation import FusedKernel, Operation, Tensors, call


class Affine(Operation):
    """W x + b of x `[B, S, I]`, W `[O, I]` and optionally b `[O]`. See csrc/affine.c."""

    def forward(self, *inputs: Tensor) -> tuple[Tensors, Tensors]:
        """See `Operation.forward`."""
        x, weight, *bias = (tensor.contiguous() for tensor in inputs)
        y = x.new_empty(*x.shape[:2], len(weight))
        call("seqtool_affine_forward", *_sizes(x, weight), x, weight, bias[0] if bias else None, y)
        return (y,), ()

    def backward(
        self, saved: Tensors, inputs: Tensors, grad_outputs: Sequence[Tensor | None], needed: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        x, weight, *bias = (tensor.contiguous() for tensor in inputs)
        (grad_y,) = grad_outputs
        assert grad_y is not None, "autograd calls backward only if the output has a gradient"
        grad_x = torch.empty_like(x) if needed[0] else None
        grad_weight, grad_bias = torch.zeros_like(weight), weight.new_zeros(len(weight))
        call(
            "seqtool_affine_backward",
            *_sizes(x, weight),
            x,
            weight,
            grad_y.contiguous(),
            grad_x,
            grad_weight,
            grad_bias,
        )
        return grad_x, grad_weight, *((grad_bias,) if bias else ())

    def reference(self, *inputs: Tensor) -> Tensors:
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
        the keys of scorer/additive: U h_j + b

    Source: scorer/additive.

    When to use: chosen by `engine: auto`; two to three times as fast as torch for narrow keys.
    """

    parts = ("scorer/attention:additive",)
    examples = (("scorer/attention:additive", {"hidden_size": 19}),)

    def key_map(self, module: Any) -> Any:
        """See `_KeysKernel.key_map`."""
        return module.key_map


class GeneralKeysKernel(_KeysKernel):
    """`General.start`: the keys of all positions.

    Equation:
        the keys of scorer/general: W h_j

    Source: scorer/general.

    When to use: chosen by `engine: auto`; see kernel/additive_keys.
    """

    parts = ("scorer/attention:general",)
    examples = (("scorer/general", {}),)

    def key_map(self, module: Any) -> Any:
        """See `_KeysKernel.key_map`."""
        return module.map
