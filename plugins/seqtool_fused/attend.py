"""All steps of a decoder that attends in C, one after the other, forward and backward."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from seqtool.api import Tree, own_modules, tree
from seqtool_fused.calling import FusedKernel
from seqtool_fused.embedding import LookedUp
from seqtool_fused.layout import Shape
from seqtool_fused.loop_shapes import Parts, offsets, parameters_of, parts_of, shape_of, states_of, why_not
from seqtool_fused.loops import Attend, Start
from seqtool_fused.recurrent import misfit


def example(decoder: str, cell: str, size: int, scorer: Any, **options: Any) -> tuple[str, Mapping[str, Any]]:
    """A decoder as a recipe gives it; weights of gmm by exp."""
    normalizer = "exp" if scorer == "gmm" else "softmax"
    attention = {"scorer": scorer, "normalizer": normalizer}
    return f"decoder/{decoder}", {"cell": {"type": cell, "hidden_size": size}, "attention": attention, **options}


class _AttendKernel(FusedKernel):
    def unsupported(self, part: Any) -> str | None:
        """See `Kernel.unsupported`."""
        return why_not(part)

    def skipped_modules(self, part: Any) -> Sequence[nn.Module]:
        """See `Kernel.skipped_modules`; bridge and readout are not its business."""
        held = own_modules(part)
        return (held["cell"], held["attention"])

    def tensors(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return self._given(part, self.shape(part, inputs.shape[-1]), inputs, fixed, state)

    def verify(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> str | None:
        """See `Kernel.verify`."""
        return super().verify(part, inputs, fixed, state) or self._misfit(part, self.shape(part, inputs.shape[2]))

    def __call__(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`."""
        return self.unroll(part, inputs, fixed, state, None)

    def unroll(
        self, part: Any, inputs: Tensor, fixed: Tree, state: Tree, found: LookedUp | None
    ) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`; `inputs [B, T, E]` are the embedded symbols `found`, if given."""
        shape = self.shape(part, inputs.shape[2])
        first = found.table if found else inputs
        loop = Attend(self.reference, part, shape, fixed.attention.mask, Start(fixed, state), inputs, found)
        features, weights, *after = loop(*self._given(part, shape, first, fixed, state))
        return features, weights.unsqueeze(1), tree.rebuild(state, after)

    def lookup_refusal(self, part: Any, input_size: int) -> str | None:
        """Why embedded symbols of this size cannot be mapped once each; None where they can."""
        shape = self.shape(part, input_size)
        return "its cell is not fed the symbols" if shape.sizes["feed_x"] < 0 else self._misfit(part, shape)

    def shape(self, part: Any, input_size: int) -> Shape:
        """What a decoder is to the loop."""
        return _shape(type(self), parts_of(part, input_size), self.options(part))

    def options(self, part: Any) -> Any:
        """The decoder's own options, which can be hashed."""
        raise NotImplementedError

    @staticmethod
    def places(parts: Parts, options: Any) -> Mapping[str, int]:
        """Where in the query, in the cell's input and in the features what stands."""
        raise NotImplementedError

    @staticmethod
    def extra(options: Any) -> tuple[str, ...]:
        """What stands in the state between the cell's and the attention's."""
        return ()

    def _given(self, part: Any, shape: Shape, first: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, ...]:
        attention = fixed.attention
        keys = () if "mean" in shape.states else attention.scorers
        return (first, attention.values, *keys, *tree.leaves(state), *parameters_of(part, shape))

    def _misfit(self, part: Any, shape: Shape) -> str | None:
        return misfit(own_modules(part)["cell"], shape.sizes["feed_size"])


@functools.lru_cache(maxsize=256)
def _shape(kernel: type[_AttendKernel], parts: Parts, options: Any) -> Shape:
    return shape_of(parts, kernel.places(parts, options), kernel.extra(options))


class AttendBeforeKernel(_AttendKernel):
    """`AttendBefore.unroll` of an LSTM or a GRU with gmm, additive or a product, forward and backward.

    Equation:
        as decoder/attend_before, for all steps; backward, tanh and the window's terms are computed again

    Source: its part's, decoder/attend_before; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`; many times as fast as the reference where H is small, which spends its time
    between operations. Memory grows with T (S + H), not with T S H.
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
        asked = [name for given in module.query for name in query.get(given, (given,))]
        for option, names in (("query", asked), ("feed", module.feed), ("features", module.features)):
            if len(set(names)) < len(names):
                return f"its {option} holds the same twice"
        return None

    def options(self, part: Any) -> Any:
        """See `_AttendKernel.options`."""
        return tuple(part.query), tuple(part.feed), tuple(part.features)

    @staticmethod
    def places(parts: Parts, options: Any) -> Mapping[str, int]:
        """See `_AttendKernel.places`."""
        size = parts.hidden_size
        whole = size * len(states_of(parts.gru))
        widths = {"output": size, "inner_state": size, "state": whole}
        widths |= {"input": parts.input_size, "context": parts.memory_size}
        (query, query_size), (feed, feed_size), (features, _) = (offsets(names, widths) for names in options)
        if "state" in query:
            query["output"] = query["state"]
            if whole > size:
                query["inner_state"] = query["state"] + size
        return {
            "D": 0,
            "query_h": query.get("output", -1),
            "query_c": query.get("inner_state", -1),
            "query_x": query.get("input", -1),
            "query_size": query_size,
            "feed_x": feed.get("input", -1),
            "feed_seen": feed.get("context", -1),
            "feed_size": feed_size,
            "features_h": features.get("output", -1),
            "features_context": features.get("context", -1),
            "features_x": features.get("input", -1),
        }


class AttendAfterKernel(_AttendKernel):
    """`AttendAfter.unroll` of an LSTM or a GRU with gmm, additive or a product, with input feeding or not.

    Equation:
        as decoder/attend_after, for all steps

    Source: its part's, decoder/attend_after; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`; many times as fast as the reference where H is small.
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
        """See `_AttendKernel.options`."""
        return part.input_feeding

    @staticmethod
    def extra(options: Any) -> tuple[str, ...]:
        """See `_AttendKernel.extra`."""
        return ("fed",) if options else ()

    @staticmethod
    def places(parts: Parts, options: Any) -> Mapping[str, int]:
        """See `_AttendKernel.places`."""
        nowhere = dict.fromkeys(("query_c", "query_x", "features_h", "features_context", "features_x"), -1)
        fed = parts.feature_size if options else 0
        return nowhere | {
            "D": parts.feature_size,
            "query_h": 0,
            "query_size": parts.hidden_size,
            "feed_x": 0,
            "feed_seen": parts.input_size if fed else -1,
            "feed_size": parts.input_size + fed,
        }
