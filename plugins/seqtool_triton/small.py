"""All target steps of a small decoder with attention in one CUDA kernel, forward and backward."""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from seqtool.api import Tree, part_name, tree
from seqtool_triton.small_loop import Loop, Plan, Tensors, padded
from seqtool_triton.wide import CELLS, TritonKernel

GMM, ADDITIVE, PRODUCT = range(3)
SCORERS = {
    "scorer/attention:gmm": GMM,
    "scorer/attention:additive": ADDITIVE,
    "scorer/attention:dot": PRODUCT,
    "scorer/attention:scaled_dot": PRODUCT,
    "scorer/attention:general": PRODUCT,
}
NORMALIZERS = {"normalizer/attention:softmax": True, "normalizer/attention:exp": False}
VARIANTS = {"v0": 0, "v1": 1, "v2": 2, "v2b": 2}
MAX_HIDDEN_SIZE, MAX_MEMORY_SIZE, MAX_TILE = 64, 128, 2**14
"""Limits: hidden sizes of cell, attention and attentional vector; memory size; elements of a row's memory."""


def example(decoder: str, cell: str, size: int, scorer: Any, **options: Any) -> tuple[str, Mapping[str, Any]]:
    """A decoder as in a recipe; gmm is normalized by exp."""
    normalizer = "exp" if scorer == "gmm" else "softmax"
    attention = {"scorer": scorer, "normalizer": normalizer}
    return f"decoder/{decoder}", {"cell": {"type": cell, "hidden_size": size}, "attention": attention, **options}


class _SmallDecoderKernel(TritonKernel):
    def unsupported(self, module: Any) -> str | None:
        """See `Kernel.unsupported`."""
        return _parts(module) or self.options(module) or _sizes(module)

    def skipped_modules(self, part: Any) -> Iterable[nn.Module]:
        """See `Kernel.skipped_modules`; bridge and readout run outside the kernel."""
        return (part.cell, part.attention)

    def tensors(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> Iterable[Tensor]:
        """See `Kernel.tensors`."""
        return self._loop_inputs(part, self.plan(part, inputs.shape[2]), inputs, fixed, state)

    def verify(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> str | None:
        """See `Kernel.verify`."""
        if reason := super().verify(part, inputs, fixed, state):
            return reason
        plan, positions = self.plan(part, inputs.shape[2]), fixed.attention.values.shape[1]
        return f"its memory of {positions} positions is too large" if _too_long(plan, positions) else None

    def __call__(self, module: Any, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`."""
        plan, mask = self.plan(module, inputs.shape[2]), fixed.attention.mask
        given = self._loop_inputs(module, plan, inputs, fixed, state)
        reference = functools.partial(_unroll_tensors, self.reference, fixed, state)
        features, weights, *after = Loop.apply(plan, module, reference, mask, *given)  # type: ignore[no-untyped-call]
        return features, weights.unsqueeze(1), tree.rebuild(state, after)

    def _loop_inputs(self, part: Any, plan: Plan, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, ...]:
        values, _, (keys,), _ = fixed.attention
        parameters = operator.attrgetter(*plan.parameters.values())(part)
        return (inputs, values, keys, *tree.leaves(state), *parameters)

    def options(self, module: Any) -> str | None:
        """Why the decoder's own options are not supported; None if they are."""
        raise NotImplementedError

    def plan(self, module: Any, input_size: int) -> Plan:
        """The plan of a decoder."""
        raise NotImplementedError


class AttendBeforeKernel(_SmallDecoderKernel):
    """`AttendBefore.unroll` of an LSTM or a GRU of at most 64 units with gmm, additive or product scores, on CUDA.

    Equation:
        the equations of decoder/attend_before, for all steps; backward recomputes tanh and the terms of the window

    Source: decoder/attend_before; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto` on a GPU with Triton; one program per row of the batch.
    """

    parts = ("decoder/decoders:attend_before",)
    examples = (
        example("attend_before", "lstm", 23, "gmm", query=("output", "input")),
        example("attend_before", "gru", 23, "additive"),
        example("attend_before", "lstm", 13, "scaled_dot"),
    )

    def options(self, module: Any) -> str | None:
        """See `_SmallDecoderKernel.options`."""
        for option, pieces in (("query", module.query), ("feed", module.feed), ("features", module.features)):
            if len(set(pieces)) < len(pieces):
                return f"its {option} contains the same part twice"
        if "context" not in module.feed:
            return "its cell does not read the context"
        if not {"output"} <= set(module.query) <= {"output", "input"}:
            return f"its query is {', '.join(module.query)}; output, or output with input, is supported"
        if _kind(module) == PRODUCT and module.query != ("output",):
            return f"its query is {', '.join(module.query)}; with product scores, output is supported"
        return None

    def plan(self, module: Any, input_size: int) -> Plan:
        """See `_SmallDecoderKernel.plan`."""
        cell, memory = module.cell.output_size, module.attention.memory_size
        widths = {"input": input_size, "context": memory, "output": cell}
        feed = _slices(module.feed, widths)
        feed["seen"] = feed.pop("context")
        ordered = dict(sorted(feed.items(), key=lambda item: item[1].start))
        query, features = _slices(module.query, widths), _slices(module.features, widths)
        return _plan(module, False, memory, ordered, query, features)


class AttendAfterKernel(_SmallDecoderKernel):
    """`AttendAfter.unroll` with input feeding of an LSTM or a GRU of at most 64 units, on CUDA.

    Equation:
        the equations of decoder/attend_after, for all steps

    Source: decoder/attend_after; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto` on a GPU with Triton; one program per row of the batch. Without input
    feeding, the reference computes all steps in parallel.
    """

    parts = ("decoder/decoders:attend_after",)
    examples = (
        example("attend_after", "lstm", 23, "additive", attentional_size=19, input_feeding=True),
        example("attend_after", "gru", 23, "general", attentional_size=19, input_feeding=True),
    )

    def skipped_modules(self, part: Any) -> Iterable[nn.Module]:
        """See `Kernel.skipped_modules`."""
        return (*super().skipped_modules(part), part.combine)

    def options(self, module: Any) -> str | None:
        """See `_SmallDecoderKernel.options`."""
        if not module.input_feeding:
            return "without input feeding, the reference computes all steps in parallel"
        if module.feature_size > MAX_HIDDEN_SIZE:
            return f"its attentional_size is {module.feature_size}; at most {MAX_HIDDEN_SIZE}"
        return None

    def plan(self, module: Any, input_size: int) -> Plan:
        """See `_SmallDecoderKernel.plan`."""
        size = module.feature_size
        feed = {"input": slice(0, input_size), "seen": slice(input_size, input_size + size)}
        return _plan(module, True, size, feed, {"output": slice(0, module.cell.output_size)}, {})


def _unroll_tensors(
    unroll: Callable[..., Any], fixed: Any, state: Tree, decoder: nn.Module, x: Tensor, memory: Tensors, first: Tensors
) -> tuple[Tensor, Tensor, Tensors]:
    """`(features, weights, state)` of the reference `unroll`, as tensors; `memory` is values, mask and keys."""
    values, mask, keys = memory
    attention = fixed.attention._replace(values=values, mask=mask, scorers=(keys,))
    features, weights, after = unroll(decoder, x, fixed._replace(attention=attention), tree.rebuild(state, list(first)))
    return features, weights, tuple(tree.leaves(after))


def _kind(module: Any) -> int:
    return SCORERS[part_name(module.attention.scorers[0])]


def _parts(module: Any) -> str | None:
    """Why the decoder's cell and attention are not supported; None if they are."""
    attention = module.attention
    if attention is None:
        return "it has no attention"
    if part_name(module.cell) not in CELLS:
        return f"its cell is {type(module.cell).__name__}; LSTM and GRU are supported"
    if part_name(attention) != "attention":
        return f"its attention is {type(attention).__name__}; Attention is supported"
    if attention.num_heads > 1:
        return f"it has {attention.num_heads} heads; one is supported"
    normalizer, scorer = attention.normalizer, attention.scorers[0]
    if part_name(normalizer) not in NORMALIZERS:
        return f"its normalizer is {type(normalizer).__name__}; Softmax and, with GMM, Exp are supported"
    if part_name(scorer) not in SCORERS:
        return f"its scorer is {type(scorer).__name__}; supported are GMM, Additive, Dot, ScaledDot, General"
    if _kind(module) != GMM and not NORMALIZERS[part_name(normalizer)]:
        return f"Exp is supported with GMM, not with {type(scorer).__name__}"
    if _kind(module) == GMM and len(scorer.hidden):
        return "its GMM has a hidden layer"
    return None


def _sizes(module: Any) -> str | None:
    """Why the decoder is too large; None if it is not."""
    attention = module.attention
    hidden = {"hidden_size": module.cell.output_size}
    if _kind(module) == ADDITIVE:
        hidden["hidden_size of the scorer"] = attention.scorers[0].vector.in_features
    for name, size in hidden.items():
        if size > MAX_HIDDEN_SIZE:
            return f"its {name} is {size}; at most {MAX_HIDDEN_SIZE}"
    if attention.memory_size > MAX_MEMORY_SIZE:
        return f"its memory has vectors of {attention.memory_size}; at most {MAX_MEMORY_SIZE}"
    return None


def _too_long(plan: Plan, positions: int) -> bool:
    return padded(positions) * padded(max(plan.sizes["M"], plan.sizes["P"])) > MAX_TILE


def _slices(names: tuple[str, ...], widths: Mapping[str, int]) -> dict[str, slice]:
    found, start = {}, 0
    for name in names:
        found[name] = slice(start, start + widths[name])
        start += widths[name]
    return found


def _plan(
    module: Any, after: bool, seen: int, feed: dict[str, slice], query: dict[str, slice], features: dict[str, slice]
) -> Plan:
    attention, kind, gru = module.attention, _kind(module), CELLS[part_name(module.cell)] == "gru"
    scorer, size = attention.scorers[0], module.cell.output_size
    parameters = {name: f"cell.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    ours: dict[str, str] = {}
    if kind == GMM:
        ours = {"query_map": "map.weight", "query_bias": "map.bias"}
    elif kind == ADDITIVE:
        ours = {"query_map": "query_map.weight", "vector": "vector.weight"}
    parameters |= {name: f"attention.scorers.0.{path}" for name, path in ours.items()}
    if after:
        parameters["combine"] = "combine.weight"
    states = ("h", *(() if gru else ("c",)), *(("fed",) if after else ()), *(("mean",) if kind == GMM else ()))
    sizes = {
        "GMM": kind == GMM,
        "ADDITIVE": kind == ADDITIVE,
        "GRU": gru,
        "SOFTMAX": NORMALIZERS[part_name(attention.normalizer)],
        "VARIANT": VARIANTS[scorer.variant] if kind == GMM else 0,
        "AFTER": after,
        "H": size,
        "N": seen,
        "M": attention.memory_size,
        "P": scorer.vector.in_features if kind == ADDITIVE else size if kind == PRODUCT else 1,
        "K": scorer.components if kind == GMM else 1,
    }
    return Plan(parameters, states, sizes, getattr(scorer, "scale", 1.0), feed, query, features)
