"""Additive scores in C, forward and backward, without a tensor `[B, T, S, H]`; and what compares in the same way."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Tree, tree
from seqtool_fused.calling import FusedKernel, Numbers, Operation, call


class Comparison(Operation):
    """v . tanh(q_i + k_j), of q `[B, T, H]`, k `[B, S, H]`, v `[H]`. See csrc/additive.c."""

    def forward(self, *inputs: Tensor) -> tuple[Numbers, Numbers]:
        """See `Operation.forward`."""
        query, keys, vector = (tensor.contiguous() for tensor in inputs)
        scores = query.new_empty(*query.shape[:2], keys.shape[1])
        call("seqtool_additive_forward", *_sizes(query, keys), query, keys, vector, scores)
        return (scores,), ()

    def backward(
        self, saved: Numbers, inputs: Numbers, of_outputs: Sequence[Tensor | None], wanted: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        query, keys, vector = (tensor.contiguous() for tensor in inputs)
        of_query, of_keys = torch.empty_like(query), torch.empty_like(keys)
        of_vectors = query.new_empty(len(query), len(vector))
        (of_scores,) = of_outputs
        assert of_scores is not None, "where the only output has no gradient, nothing asks for those of the inputs"
        given = (query, keys, vector, of_scores.contiguous())
        call("seqtool_additive_backward", *_sizes(query, keys), *given, of_query, of_keys, of_vectors)
        return of_query, of_keys, of_vectors.sum(0)

    def reference(self, *inputs: Tensor) -> Numbers:
        """See `Operation.reference`."""
        query, keys, vector = inputs
        return (torch.tanh(query.unsqueeze(2) + keys.unsqueeze(1)) @ vector,)


def _sizes(query: Tensor, keys: Tensor) -> tuple[int, ...]:
    return len(query), query.shape[1], keys.shape[1], query.shape[2]


class AdditiveKernel(FusedKernel):
    """`Additive.score`, all steps at once or one.

    Equation:
        tanh(q + k) = 1 - 2 r,  r = 1 / (1 + e^2q e^2k)
        e_ij = sum_k v_k - 2 sum_k v_k r_ijk;  de / d(q + k) = 4 v_k r (1 - r)

    The exponentials are of queries and keys alone, so that a pair costs a reciprocal. Where a key is too large for that
    (16 and above), r comes of tanh; up to four target steps, such as one of decoding, each pair has its exponential.

    Source: its part's, scorer/additive.

    When to use: chosen by `engine: auto`; about ten times as fast as the same by torch's operations.
    """

    parts = ("scorer/attention:additive",)
    method = "score"
    examples = (("scorer/attention:additive", {"hidden_size": 19}),)

    def tensors(self, part: Any, query: Tensor, fixed: Tensor, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (query, fixed, *tree.leaves(state), part.vector.weight)

    def __call__(self, part: Any, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        keys, vector = self.shifted(part, fixed, state), part.vector.weight[0]
        (scores,) = Comparison()(self.mapped(part, query), keys, vector)
        return scores, state

    def mapped(self, module: Any, query: Tensor) -> Tensor:
        """W s, as the part has it."""
        result: Tensor = module.query_map(query)
        return result

    def shifted(self, module: Any, keys: Tensor, state: Tree) -> Tensor:
        """The keys, and what changes with every step."""
        return keys


class ConcatKernel(AdditiveKernel):
    """`Concat.score`: additive, its query's part of one map taken for W.

    Equation:
        e_ij = sum_k v_k - 2 sum_k v_k r_ijk, as kernel/additive

    Source: its part's, scorer/concat.

    When to use: chosen by `engine: auto`.
    """

    parts = ("scorer/attention:concat",)
    examples = (("scorer/attention:concat", {"hidden_size": 19}),)

    def mapped(self, module: Any, query: Tensor) -> Tensor:
        """See `AdditiveKernel.mapped`."""
        return F.linear(query, module.map.weight[:, : module.query_size])


class CoverageKernel(AdditiveKernel):
    """`Coverage.score`: additive, the coverage added to the keys of each step.

    Equation:
        e_ij = sum_k v_k - 2 sum_k v_k r_ijk, as kernel/additive, with k + w c_j for k

    Source: its part's, scorer/coverage.

    When to use: chosen by `engine: auto`.
    """

    parts = ("scorer/attention:coverage",)
    examples = (("scorer/attention:coverage", {"hidden_size": 19}),)

    def shifted(self, module: Any, keys: Tensor, state: Tensor) -> Tensor:
        """See `AdditiveKernel.shifted`."""
        return torch.addcmul(keys, state.unsqueeze(2), module.coverage_map.weight[:, 0])


class LocationAwareKernel(AdditiveKernel):
    """`LocationAware.score`: additive, features of the last weights added to the keys of each step.

    Equation:
        e_ij = sum_k v_k - 2 sum_k v_k r_ijk, as kernel/additive, with k + U f_j for k

    Source: its part's, scorer/location_aware.

    When to use: chosen by `engine: auto`.
    """

    parts = ("scorer/attention:location_aware",)
    examples = (("scorer/attention:location_aware", {"hidden_size": 19}),)

    def shifted(self, module: Any, keys: Tensor, state: Tensor) -> Tensor:
        """See `AdditiveKernel.shifted`."""
        features = module.filters(state.unsqueeze(1)).transpose(1, 2)
        return keys + F.linear(features, module.feature_map.weight)
