"""Kernels that run all steps of a decoder with attention in C, forward and backward."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from seqtool.api import Tree, own_modules, tree
from seqtool_fused.attention_loop import AttentionLoop, LoopStart
from seqtool_fused.embedding import EmbeddingLookup
from seqtool_fused.loop_arguments import LoopConfig
from seqtool_fused.loop_config import LoopParts, config_of, loop_refusal, offsets, parameters_of, parts_of, states_of
from seqtool_fused.operation import FusedKernel
from seqtool_fused.recurrent import size_refusal


def example(decoder: str, cell: str, size: int, scorer: Any, **options: Any) -> tuple[str, Mapping[str, Any]]:
    """A decoder as in a recipe; gmm is normalized by exp."""
    normalizer = "exp" if scorer == "gmm" else "softmax"
    attention = {"scorer": scorer, "normalizer": normalizer}
    return f"decoder/{decoder}", {"cell": {"type": cell, "hidden_size": size}, "attention": attention, **options}


class _AttentionLoopKernel(FusedKernel):
    def unsupported(self, part: Any) -> str | None:
        """See `Kernel.unsupported`."""
        return loop_refusal(part)

    def skipped_modules(self, part: Any) -> Sequence[nn.Module]:
        """See `Kernel.skipped_modules`; bridge and readout run outside the loop."""
        modules = own_modules(part)
        return (modules["cell"], modules["attention"])

    def tensors(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return self._loop_inputs(part, self.config(part, inputs.shape[-1]), inputs, fixed, state)

    def verify(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> str | None:
        """See `Kernel.verify`."""
        return super().verify(part, inputs, fixed, state) or self._size_refusal(
            part, self.config(part, inputs.shape[2])
        )

    def __call__(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`."""
        return self.unroll(part, inputs, fixed, state, None)

    def unroll(
        self, part: Any, inputs: Tensor, fixed: Tree, state: Tree, lookup: EmbeddingLookup | None
    ) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`; `inputs [B, T, E]` are the embedded symbols of `lookup`, if given."""
        config = self.config(part, inputs.shape[2])
        first = lookup.table if lookup else inputs
        loop = AttentionLoop(
            self.reference, part, config, fixed.attention.mask, LoopStart(fixed, state), inputs, lookup
        )
        features, weights, *after = loop(*self._loop_inputs(part, config, first, fixed, state))
        return features, weights.unsqueeze(1), tree.rebuild(state, after)

    def lookup_refusal(self, part: Any, input_size: int) -> str | None:
        """Why embedded symbols of this size are mapped at each position; None if each symbol can be mapped once."""
        config = self.config(part, input_size)
        return "its cell does not read the symbols" if config.sizes["feed_x"] < 0 else self._size_refusal(part, config)

    def config(self, part: Any, input_size: int) -> LoopConfig:
        """The loop's configuration for a decoder."""
        return _config(type(self), parts_of(part, input_size), self.options(part))

    def options(self, part: Any) -> Any:
        """The options of the decoder that the loop depends on; hashable."""
        raise NotImplementedError

    @staticmethod
    def columns(parts: LoopParts, options: Any) -> Mapping[str, int]:
        """Columns of the query, of the cell's input and of the features, by their names in attend.h."""
        raise NotImplementedError

    @staticmethod
    def extra_states(options: Any) -> tuple[str, ...]:
        """Leaves of the state between those of the cell and of the attention."""
        return ()

    def _loop_inputs(
        self, part: Any, config: LoopConfig, first: Tensor, fixed: Tree, state: Tree
    ) -> tuple[Tensor, ...]:
        attention = fixed.attention
        keys = () if "mean" in config.states else attention.scorers
        return (first, attention.values, *keys, *tree.leaves(state), *parameters_of(part, config))

    def _size_refusal(self, part: Any, config: LoopConfig) -> str | None:
        return size_refusal(own_modules(part)["cell"], config.sizes["feed_size"])


@functools.lru_cache(maxsize=256)
def _config(kernel: type[_AttentionLoopKernel], parts: LoopParts, options: Any) -> LoopConfig:
    return config_of(parts, kernel.columns(parts, options), kernel.extra_states(options))


class AttendBeforeKernel(_AttentionLoopKernel):
    """`AttendBefore.unroll` of an LSTM or a GRU with gmm, additive or product scores, forward and backward.

    Equation:
        the equations of decoder/attend_before, for all steps; backward recomputes tanh and the terms of the window

    Source: decoder/attend_before; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`; many times as fast as the reference for small H, where the overhead of
    torch's operations dominates. Memory grows with T (S + H), not with T S H.
    """

    parts = ("decoder/decoders:attend_before",)
    examples = (
        example("attend_before", "lstm", 23, "gmm", query=("output", "input")),
        example("attend_before", "gru", 23, "additive"),
        example("attend_before", "lstm", 13, "scaled_dot"),
    )

    def unsupported(self, module: Any) -> str | None:
        """See `Kernel.unsupported`."""
        reason = super().unsupported(module)
        if reason:
            return reason
        query = {"state": ("output", "inner_state")}
        query_names = [leaf for name in module.query for leaf in query.get(name, (name,))]
        for option, names in (("query", query_names), ("feed", module.feed), ("features", module.features)):
            if len(set(names)) < len(names):
                return f"its {option} contains the same part twice"
        return None

    def options(self, part: Any) -> Any:
        """See `_AttentionLoopKernel.options`."""
        return tuple(part.query), tuple(part.feed), tuple(part.features)

    @staticmethod
    def columns(parts: LoopParts, options: Any) -> Mapping[str, int]:
        """See `_AttentionLoopKernel.columns`."""
        size = parts.hidden_size
        state_size = size * len(states_of(parts.gru))
        widths = {"output": size, "inner_state": size, "state": state_size}
        widths |= {"input": parts.input_size, "context": parts.memory_size}
        (query, query_size), (feed, feed_size), (features, _) = (offsets(names, widths) for names in options)
        if "state" in query:
            query["output"] = query["state"]
            if state_size > size:
                query["inner_state"] = query["state"] + size
        return {
            "D": 0,
            "query_h": query.get("output", -1),
            "query_c": query.get("inner_state", -1),
            "query_x": query.get("input", -1),
            "query_size": query_size,
            "feed_x": feed.get("input", -1),
            "feed_attended": feed.get("context", -1),
            "feed_size": feed_size,
            "features_h": features.get("output", -1),
            "features_context": features.get("context", -1),
            "features_x": features.get("input", -1),
        }


class AttendAfterKernel(_AttentionLoopKernel):
    """`AttendAfter.unroll` of an LSTM or a GRU with gmm, additive or product scores, with or without input feeding.

    Equation:
        the equations of decoder/attend_after, for all steps

    Source: decoder/attend_after; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`; many times as fast as the reference for small H.
    """

    parts = ("decoder/decoders:attend_after",)
    examples = (
        example("attend_after", "lstm", 23, "additive", attentional_size=19, input_feeding=True),
        example("attend_after", "gru", 23, "general", attentional_size=19),
    )

    def skipped_modules(self, part: Any) -> Sequence[nn.Module]:
        """See `Kernel.skipped_modules`."""
        return (*super().skipped_modules(part), own_modules(part)["combine"])

    def options(self, part: Any) -> Any:
        """See `_AttentionLoopKernel.options`."""
        return part.input_feeding

    @staticmethod
    def extra_states(options: Any) -> tuple[str, ...]:
        """See `_AttentionLoopKernel.extra_states`."""
        return ("fed",) if options else ()

    @staticmethod
    def columns(parts: LoopParts, options: Any) -> Mapping[str, int]:
        """See `_AttentionLoopKernel.columns`."""
        absent = dict.fromkeys(("query_c", "query_x", "features_h", "features_context", "features_x"), -1)
        fed = parts.feature_size if options else 0
        return absent | {
            "D": parts.feature_size,
            "query_h": 0,
            "query_size": parts.hidden_size,
            "feed_x": 0,
            "feed_attended": parts.input_size if fed else -1,
            "feed_size": parts.input_size + fed,
        }
