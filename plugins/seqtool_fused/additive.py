"""Additive scores and their variants in C, forward and backward, without a tensor `[B, T, S, H]`."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Tree, tree
from seqtool_fused.operation import FusedKernel, Operation, Tensors, call


class AdditiveScores(Operation):
    """v . tanh(q_i + k_j), of q `[B, T, H]`, k `[B, S, H]`, v `[H]`. See csrc/additive.c."""

    def forward(self, *inputs: Tensor) -> tuple[Tensors, Tensors]:
        """See `Operation.forward`."""
        query, keys, vector = (tensor.contiguous() for tensor in inputs)
        scores = query.new_empty(*query.shape[:2], keys.shape[1])
        call("seqtool_additive_forward", *_sizes(query, keys), query, keys, vector, scores)
        return (scores,), ()

    def backward(
        self, saved: Tensors, inputs: Tensors, grad_outputs: Sequence[Tensor | None], needed: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        query, keys, vector = (tensor.contiguous() for tensor in inputs)
        grad_query, grad_keys = torch.empty_like(query), torch.empty_like(keys)
        grad_vectors = query.new_empty(len(query), len(vector))
        (grad_scores,) = grad_outputs
        assert grad_scores is not None, "autograd calls backward only if the output has a gradient"
        inputs = (query, keys, vector, grad_scores.contiguous())
        call("seqtool_additive_backward", *_sizes(query, keys), *inputs, grad_query, grad_keys, grad_vectors)
        return grad_query, grad_keys, grad_vectors.sum(0)

    def reference(self, *inputs: Tensor) -> Tensors:
        """See `Operation.reference`."""
        query, keys, vector = inputs
        return (torch.tanh(query.unsqueeze(2) + keys.unsqueeze(1)) @ vector,)


def _sizes(query: Tensor, keys: Tensor) -> tuple[int, ...]:
    return len(query), query.shape[1], keys.shape[1], query.shape[2]


class AdditiveKernel(FusedKernel):
    """`Additive.score`, for one or all target steps.

    Equation:
        tanh(q + k) = 1 - 2 r,  r = 1 / (1 + e^2q e^2k)
        e_ij = sum_k v_k - 2 sum_k v_k r_ijk;  de / d(q + k) = 4 v_k r (1 - r)

    Exponentials are computed per query and per key, so that a pair costs one reciprocal. For keys of 16 and above, r is
    computed from tanh; for up to four target steps, as in decoding, each pair has its own exponential.

    Source: scorer/additive.

    When to use: chosen by `engine: auto`; about ten times as fast as torch's operations.
    """

    parts = ("scorer/attention:additive",)
    method = "score"
    examples = (("scorer/attention:additive", {"hidden_size": 19}),)

    def tensors(self, part: Any, query: Tensor, fixed: Tensor, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (query, fixed, *tree.leaves(state), part.vector.weight)

    def __call__(self, part: Any, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        keys, vector = self.step_keys(part, fixed, state), part.vector.weight[0]
        (scores,) = AdditiveScores()(self.projected_query(part, query), keys, vector)
        return scores, state

    def projected_query(self, module: Any, query: Tensor) -> Tensor:
        """The query multiplied by the part's map, W s."""
        result: Tensor = module.query_map(query)
        return result

    def step_keys(self, module: Any, keys: Tensor, state: Tree) -> Tensor:
        """The keys of this step, from the keys and the state."""
        return keys


class ConcatKernel(AdditiveKernel):
    """`Concat.score`: additive scores, with the columns of the query in the joint map as W.

    Equation:
        e_ij = sum_k v_k - 2 sum_k v_k r_ijk, as kernel/additive

    Source: scorer/concat.

    When to use: chosen by `engine: auto`.
    """

    parts = ("scorer/attention:concat",)
    examples = (("scorer/attention:concat", {"hidden_size": 19}),)

    def projected_query(self, module: Any, query: Tensor) -> Tensor:
        """See `AdditiveKernel.projected_query`."""
        return F.linear(query, module.map.weight[:, : module.query_size])


class CoverageKernel(AdditiveKernel):
    """`Coverage.score`: additive scores, with the coverage added to the keys.

    Equation:
        e_ij = sum_k v_k - 2 sum_k v_k r_ijk, as kernel/additive, with k + w c_j for k

    Source: scorer/coverage.

    When to use: chosen by `engine: auto`.
    """

    parts = ("scorer/attention:coverage",)
    examples = (("scorer/attention:coverage", {"hidden_size": 19}),)

    def step_keys(self, module: Any, keys: Tensor, state: Tensor) -> Tensor:
        """See `AdditiveKernel.step_keys`."""
        return torch.addcmul(keys, state.unsqueeze(2), module.coverage_map.weight[:, 0])


class LocationAwareKernel(AdditiveKernel):
    """`LocationAware.score`: additive scores, with features of the last attention weights added to the keys.

    Equation:
        e_ij = sum_k v_k - 2 sum_k v_k r_ijk, as kernel/additive, with k + U f_j for k

    Source: scorer/location_aware.

    When to use: chosen by `engine: auto`.
    """

    parts = ("scorer/attention:location_aware",)
    examples = (("scorer/attention:location_aware", {"hidden_size": 19}),)

    def step_keys(self, module: Any, keys: Tensor, state: Tensor) -> Tensor:
        """See `AdditiveKernel.step_keys`."""
        features = module.filters(state.unsqueeze(1)).transpose(1, 2)
        return keys + F.linear(features, module.feature_map.weight)
