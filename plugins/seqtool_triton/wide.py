"""Kernels of wide decoders and of attention on a GPU, which run the loops of `wide_loops`."""

import importlib.util
import os
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Kernel, Tree, part_name, tree

MAX_SMALL_SIZE = 64
"""Decoders up to this hidden size have kernels that run the whole loop."""
MAX_POSITIONS = 1024
"""The most source positions that a program of the attention kernel supports."""
CELLS = {"cell/cells:lstm": "lstm", "cell/cells:gru": "gru"}
ADDITIVE = "scorer/attention:additive"
PRODUCTS = (
    "scorer/attention:dot",
    "scorer/attention:scaled_dot",
    "scorer/attention:general",
)
SOFTMAX = "normalizer/attention:softmax"


def unavailable_reason() -> str | None:
    """Why Triton kernels cannot run here; None if they can."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if not torch.cuda.is_available() and not interpreted():
        return "there is no CUDA device"
    return None


def interpreted() -> bool:
    """Whether Triton's interpreter runs the kernels, with tensors on the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


class CudaKernel(Kernel):
    """A kernel on CUDA devices, or on the CPU in Triton's interpreter."""

    devices = ("cuda",)

    def works_on(self, device: torch.device) -> bool:
        """See `Kernel.works_on`."""
        return super().works_on(device) or (device.type == "cpu" and interpreted())


class TritonKernel(CudaKernel):
    """A kernel in Triton."""

    def unavailable(self) -> str | None:
        """See `Kernel.unavailable`."""
        return unavailable_reason()


def attention_refusal(attention: Any) -> str | None:
    """Why an attention is not supported; None if it is."""
    if part_name(attention) != "attention":
        return f"its attention is {type(attention).__name__}; Attention is supported"
    if attention.num_heads > 1:
        return f"it has {attention.num_heads} heads; one is supported"
    if part_name(attention.normalizer) != SOFTMAX:
        return f"its normalizer is {type(attention.normalizer).__name__}; Softmax is supported"
    if part_name(attention.scorers[0]) not in (ADDITIVE, *PRODUCTS):
        return f"its scorer is {type(attention.scorers[0]).__name__}; supported are Additive, Dot, ScaledDot, General"
    return None


def decoder_refusal(module: Any) -> str | None:
    """Why a decoder's cell, attention or size is not supported; None if they are."""
    if module.attention is None:
        return "it has no attention"
    if part_name(module.cell) not in CELLS:
        return f"its cell is {type(module.cell).__name__}; LSTM and GRU are supported"
    if module.cell.output_size <= MAX_SMALL_SIZE:
        return f"its hidden_size is {module.cell.output_size}; sizes above {MAX_SMALL_SIZE} are supported"
    return attention_refusal(module.attention)


def source_refusal(mask: Tensor) -> str | None:
    """Why a source with this mask `[B, S]` is too long; None if it is not."""
    return f"{mask.shape[1]} positions; at most {MAX_POSITIONS}" if mask.shape[1] > MAX_POSITIONS else None


def gate_rows(cell: Any, of: Tensor, *, hidden: bool) -> Tensor:
    """A cell's parameter `[3 H, ...]` or `[4 H, ...]` as `[4 H, ...]`, in the order of `cell_step`."""
    if CELLS[part_name(cell)] == "lstm":
        return of
    shared, n = of.split([2 * cell.output_size, cell.output_size])
    nothing = torch.zeros_like(n)
    return torch.cat([shared, nothing, n] if hidden else [shared, n, nothing])


class WideKernel(TritonKernel):
    """The base of the kernels of this module."""

    def vector(self, attention: Any, like: Tensor) -> Tensor:
        """v of additive scores; an unused tensor for products."""
        scorer = attention.scorers[0]
        return scorer.vector.weight[0] if part_name(scorer) == ADDITIVE else like.detach()

    def scores(self, attention: Any, mask: Tensor) -> Any:
        """The `Scores` of an attention."""
        from seqtool_triton.attend_step import Scores

        scorer = attention.scorers[0]
        return Scores(part_name(scorer) == ADDITIVE, getattr(scorer, "scale", 1.0), mask.contiguous())


class _DecoderKernel(WideKernel):
    def unsupported(self, module: Any) -> str | None:
        """See `Kernel.unsupported`."""
        return decoder_refusal(module)

    def skipped_modules(self, part: Any) -> Iterable[nn.Module]:
        """See `Kernel.skipped_modules`; bridge and readout run outside the kernel."""
        return (part.cell, part.attention)

    def tensors(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> Iterable[Tensor]:
        """See `Kernel.tensors`."""
        values, _, (keys,), _ = fixed.attention
        parameters = (*part.cell.parameters(), *part.attention.parameters())
        return (inputs, values, keys, *tree.leaves(state), *parameters)

    def verify(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> str | None:
        """See `Kernel.verify`."""
        return super().verify(part, inputs, fixed, state) or source_refusal(fixed.attention.mask)

    def __call__(self, module: Any, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`."""
        values, mask, (keys,), _ = fixed.attention
        first = tree.leaves(state)
        from seqtool_triton.wide_loops import Loop

        keys = keys.contiguous()
        vector = self.vector(module.attention, keys)
        h = slice(self.context_size(module), self.context_size(module) + module.cell.output_size)
        loop = Loop(CELLS[part_name(module.cell)], self.scores(module.attention, mask), h)
        features, weights, last = self.run_loop(module, loop, inputs.transpose(0, 1), first, keys, values, vector)
        return features, weights, tree.rebuild(state, last)

    def context_size(self, module: Any) -> int:
        """The number of columns of the loop's buffer before those of h."""
        return 0

    def run_loop(
        self, module: Any, loop: Any, x: Tensor, first: list[Tensor], keys: Tensor, values: Tensor, vector: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """`(features, weights, last)` of `x [T, B, E]`; `first` and `last` are the leaves of the state."""
        raise NotImplementedError


class WideAttendAfterKernel(_DecoderKernel):
    """`AttendAfter.unroll` with input feeding of an LSTM or a GRU with additive or product scores: 4 kernels per step.

    Equation:
        h~_i = tanh(sum_j a_ij (C h_j) + R s_i),  W_c = [C R]
        The inputs' part of the gates and C h_j are one product each before the loop; the gradients of weights, keys and
        memory are one product each after it.

    Source: decoder/attend_after; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto` on a GPU, for hidden sizes above 64.
    """

    parts = ("decoder/decoders:attend_after",)
    examples = (
        (
            "decoder/attend_after",
            {
                "cell": {"type": "lstm", "hidden_size": 67},
                "attention": {"scorer": {"type": "additive", "hidden_size": 17}},
                "attentional_size": 19,
                "input_feeding": True,
            },
        ),
        (
            "decoder/attend_after",
            {
                "cell": {"type": "gru", "hidden_size": 67},
                "attention": {"scorer": "general"},
                "attentional_size": 19,
                "input_feeding": True,
            },
        ),
    )

    def unsupported(self, module: Any) -> str | None:
        """See `Kernel.unsupported`."""
        if not module.input_feeding:
            return "without input feeding, the reference computes all steps in parallel"
        return super().unsupported(module)

    def skipped_modules(self, part: Any) -> Iterable[nn.Module]:
        """See `Kernel.skipped_modules`."""
        return (*super().skipped_modules(part), part.combine)

    def run_loop(
        self, module: Any, loop: Any, x: Tensor, first: list[Tensor], keys: Tensor, values: Tensor, vector: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See `_DecoderKernel.looped`."""
        from seqtool_triton.wide_loops import AttendAfterSteps

        cell, h, first_c = module.cell, loop.hidden, first[1] if loop.cell == "lstm" else None
        of_x, of_fed = cell.weight_ih.split([x.shape[2], module.feature_size], 1)
        bias = gate_rows(cell, cell.bias_ih, hidden=False) + gate_rows(cell, cell.bias_hh, hidden=True)
        sums = F.linear(x, gate_rows(cell, of_x, hidden=False), bias)
        recurrent = torch.cat([gate_rows(cell, cell.weight_hh, hidden=True), gate_rows(cell, of_fed, hidden=False)], 1)
        of_context, asking = module.combine.weight.split([values.shape[2], cell.output_size], 1)
        if loop.scores.additive:
            asking = torch.cat([module.attention.scorers[0].query_map.weight, asking])
        held, weights, cells = AttendAfterSteps.apply(
            loop, sums, recurrent, torch.cat([first[0], first[-1]], 1), first_c,
            asking.contiguous(), keys, F.linear(values, of_context), vector,
        )  # fmt: skip
        last = [held[-1, :, h], *(() if cells is None else (cells[-1],)), held[-1, :, h.stop :]]
        return held[1:, :, h.stop :].transpose(0, 1), weights.transpose(0, 1).unsqueeze(1), last


class WideAttendBeforeKernel(_DecoderKernel):
    """`AttendBefore.unroll` of an LSTM or a GRU with additive or product scores: 4 kernels per step.

    Equation:
        The equations of decoder/attend_before. Products of the inputs with the weights of gates and queries are
        computed for all steps before the loop, and the gradients of weights, keys and memory for all steps after it.

    Source: decoder/attend_before; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto` on a GPU, for hidden sizes above 64.
    """

    parts = ("decoder/decoders:attend_before",)
    examples = (
        (
            "decoder/attend_before",
            {
                "cell": {"type": "lstm", "hidden_size": 67},
                "attention": {"scorer": {"type": "additive", "hidden_size": 17}},
                "query": ("output", "input"),
                "features": ("output", "context", "input"),
            },
        ),
        (
            "decoder/attend_before",
            {"cell": {"type": "gru", "hidden_size": 67}, "attention": {"scorer": "general"}},
        ),
    )

    def unsupported(self, module: Any) -> str | None:
        """See `Kernel.unsupported`."""
        reason = super().unsupported(module)
        if reason:
            return reason
        for option in ("query", "feed", "features"):
            given = getattr(module, option)
            if len(set(given)) < len(given):
                return f"its {option} contains the same part twice"
        additive = part_name(module.attention.scorers[0]) == ADDITIVE
        known = ({"output"}, {"output", "input"}) if additive else ({"output"},)
        if set(module.query) not in known:
            return (
                f"its query is {', '.join(module.query)}; output is supported, and with Additive also output and input"
            )
        return None

    def context_size(self, module: Any) -> int:
        """See `_DecoderKernel.context_size`."""
        size: int = module.attention.memory_size
        return size

    def run_loop(
        self, module: Any, loop: Any, x: Tensor, first: list[Tensor], keys: Tensor, values: Tensor, vector: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See `_DecoderKernel.looped`."""
        from seqtool_triton.wide_loops import AttendBeforeSteps

        cell, h, first_c = module.cell, loop.hidden, first[1] if loop.cell == "lstm" else None
        sizes = {"input": x.shape[2], "context": h.start, "output": cell.output_size}
        fed = _pieces(cell.weight_ih, module.feed, sizes)
        bias = gate_rows(cell, cell.bias_ih, hidden=False) + gate_rows(cell, cell.bias_hh, hidden=True)
        if "input" in fed:
            sums = F.linear(x, gate_rows(cell, fed["input"], hidden=False), bias)
        else:
            sums = bias.expand(*x.shape[:2], -1)
        of_h = gate_rows(cell, cell.weight_hh, hidden=True)
        none = of_h.new_zeros(len(of_h), h.start)
        of_context = gate_rows(cell, fed["context"], hidden=False) if "context" in fed else none
        asking, asked = None, None
        if loop.scores.additive:
            maps = _pieces(module.attention.scorers[0].query_map.weight, module.query, sizes)
            asking, asked = maps["output"].contiguous(), F.linear(x, maps["input"]) if "input" in maps else None
        held, weights, cells = AttendBeforeSteps.apply(
            loop, sums, torch.cat([of_context, of_h], 1), first[0], first_c,
            asking, keys, values.contiguous(), vector, asked,
        )  # fmt: skip
        pieces = {"output": held[1:, :, h], "context": held[:-1, :, : h.start], "input": x}
        features = torch.cat([pieces[name] for name in module.features], 2).transpose(0, 1)
        last = [held[-1, :, h], *(() if cells is None else (cells[-1],))]
        return features, weights.transpose(0, 1).unsqueeze(1), last


class AttentionKernel(WideKernel):
    """`Attention` with one head, softmax, and additive or product scores, in one kernel.

    Equation:
        a_ij = softmax_j(v . tanh(q_i + k_j)) or softmax_j(scale q_i . k_j);  c_i = sum_j a_ij h_j

    Source: scorer/additive, scorer/dot, scorer/scaled_dot and scorer/general.

    When to use: chosen by `engine: auto` on a GPU, in any decoder; needs no tensor `[B, T, S, hidden]`.
    """

    parts = ("attention",)
    method = "forward"
    examples = (
        ("attention", {"scorer": {"type": "additive", "hidden_size": 19}, "normalizer": "softmax"}),
        ("attention", {"scorer": "general", "normalizer": "softmax"}),
    )

    def unsupported(self, module: Any) -> str | None:
        """See `Kernel.unsupported`."""
        return attention_refusal(module)

    def tensors(self, part: Any, query: Tensor, fixed: Tree, state: Tree) -> Iterable[Tensor]:
        """See `Kernel.tensors`."""
        values, _, (keys,), _ = fixed
        return (query, values, keys, *part.parameters())

    def verify(self, part: Any, query: Tensor, fixed: Tree, state: Tree) -> str | None:
        """See `Kernel.verify`."""
        if reason := super().verify(part, query, fixed, state):
            return reason
        fits = query.dim() == 3 and len(query) == len(fixed.values)
        return source_refusal(fixed.mask) if fits else "query and memory have different batch sizes"

    def __call__(self, module: Any, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor, Tree]:
        """See `Attention.forward`."""
        values, mask, (keys,), _ = fixed
        from seqtool_triton.wide_loops import AttendSteps

        scores = self.scores(module, mask)
        mapped = module.scorers[0].query_map(query) if scores.additive else query
        keys = keys.contiguous()
        weights, context = AttendSteps.apply(
            scores, mapped.contiguous(), keys, values.contiguous(), self.vector(module, keys)
        )
        return context, weights.unsqueeze(1), state


def _pieces(of: Tensor, names: tuple[str, ...], sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """The columns of a matrix that each of the named pieces is multiplied by."""
    return dict(zip(names, of.split([sizes[name] for name in names], 1), strict=True))
