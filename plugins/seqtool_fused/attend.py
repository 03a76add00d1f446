"""All steps of a decoder that attends in C, one after the other, forward and backward."""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from seqtool.api import Kernel, Tree, tree
from seqtool_fused.calling import ready
from seqtool_fused.embedding import looked_up
from seqtool_fused.layout import Shape
from seqtool_fused.library import missing
from seqtool_fused.loop_shapes import offsets, shape_of, states_of, why_not
from seqtool_fused.loops import Attend, Start


def example(decoder: str, cell: str, size: int, scorer: Any, **options: Any) -> tuple[str, Mapping[str, Any]]:
    """A decoder as a recipe gives it; weights of gmm by exp."""
    normalizer = "exp" if scorer == "gmm" else "softmax"
    attention = {"scorer": scorer, "normalizer": normalizer}
    return f"decoder/{decoder}", {"cell": {"type": cell, "hidden_size": size}, "attention": attention, **options}


_KNOWN: WeakKeyDictionary[nn.Module, dict[int, tuple[Shape, list[tuple[nn.Module, str]]]]] = WeakKeyDictionary()


class _AttendKernel(Kernel):
    def unavailable(self) -> str | None:
        """See `Kernel.unavailable`."""
        return missing()

    def serves(self, module: Any) -> str | None:
        """See `Kernel.serves`."""
        return why_not(module)

    def __call__(self, module: Any, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`."""
        values, mask, (keys,), _ = fixed.attention
        first_state = tree.leaves(state)
        shape, owners = self.known(module, inputs.shape[2])
        windowed = "mean" in shape.states
        parameters = [getattr(owner, name) for owner, name in owners]
        found = looked_up(inputs) if shape.sizes["feed_x"] >= 0 else None
        first = found.table if found else inputs
        given = (first, values, *(() if windowed else (keys,)), *first_state, *parameters)
        if not inputs.numel() or not values.numel() or not ready(inputs, *given):
            result: tuple[Tensor, Tensor | None, Tree] = self.reference(module, inputs, fixed, state)
            return result
        loop = Attend(self.reference, module, shape, mask, Start(fixed, state), inputs, found)
        features, weights, *after = loop(*given)
        return features, weights.unsqueeze(1), tree.rebuild(state, after)

    def known(self, module: Any, input_size: int) -> tuple[Shape, list[tuple[nn.Module, str]]]:
        """The shape of a decoder, and where each of its parameters is held: found once, since it takes a while."""
        known = _KNOWN.setdefault(module, {})
        if input_size not in known:
            states = (*states_of(module.cell), *self.extra(module))
            shape = shape_of(module, input_size, self.places(module, input_size), states)
            paths = [path.rpartition(".") for path in shape.parameters.values()]
            known[input_size] = shape, [(module.get_submodule(holder), name) for holder, _, name in paths]
        return known[input_size]

    def extra(self, module: Any) -> tuple[str, ...]:
        """What stands in the state between the cell's and the attention's."""
        return ()

    def places(self, module: Any, input_size: int) -> Mapping[str, int]:
        """Where in the query, in the cell's input and in the features what stands."""
        raise NotImplementedError


class AttendBeforeKernel(_AttendKernel):
    """`AttendBefore.unroll` of an LSTM or a GRU with gmm, additive or a product, forward and backward.

    Equation:
        as decoder/attend_before, for all steps; backward, tanh and the window's terms are computed again

    Source: its part's, decoder/attend_before; backpropagation through time, Werbos 1990, Proc. IEEE 78(10).

    When to use: chosen by `engine: auto`; many times as fast as the reference where H is small, which spends its time
    between operations. Memory grows with T (S + H), not with T S H.
    """

    of = ("seqtool_decoders.attend_before:AttendBefore",)
    examples = (
        example("attend_before", "lstm", 23, "gmm", query=("output", "input")),
        example("attend_before", "gru", 23, "additive"),
        example("attend_before", "lstm", 13, "scaled_dot"),
    )

    def serves(self, module: Any) -> str | None:
        """See `Kernel.serves`."""
        reason = super().serves(module)
        if reason:
            return reason
        query = {"state": ("output", "inner_state")}
        asked = [name for given in module.query for name in query.get(given, (given,))]
        for option, names in (("query", asked), ("feed", module.feed), ("features", module.features)):
            if len(set(names)) < len(names):
                return f"its {option} holds the same twice"
        return None

    def places(self, module: Any, input_size: int) -> Mapping[str, int]:
        """See `_AttendKernel.places`."""
        size, memory_size = module.cell.output_size, module.attention.memory_size
        whole = size * len(states_of(module.cell))
        widths = {"output": size, "inner_state": size, "state": whole, "input": input_size, "context": memory_size}
        query, query_size = offsets(module.query, widths)
        if "state" in query:
            query["output"] = query["state"]
            if whole > size:
                query["inner_state"] = query["state"] + size
        feed, feed_size = offsets(module.feed, widths)
        features, _ = offsets(module.features, widths)
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

    of = ("seqtool_decoders.attend_after:AttendAfter",)
    examples = (
        example("attend_after", "lstm", 23, "additive", attentional_size=19, input_feeding=True),
        example("attend_after", "gru", 23, "general", attentional_size=19),
    )

    def extra(self, module: Any) -> tuple[str, ...]:
        """See `_AttendKernel.extra`."""
        return ("fed",) if module.input_feeding else ()

    def places(self, module: Any, input_size: int) -> Mapping[str, int]:
        """See `_AttendKernel.places`."""
        nowhere = dict.fromkeys(("query_c", "query_x", "features_h", "features_context", "features_x"), -1)
        fed = module.feature_size if module.input_feeding else 0
        return nowhere | {
            "D": module.feature_size,
            "query_h": 0,
            "query_size": module.cell.output_size,
            "feed_x": 0,
            "feed_seen": input_size if fed else -1,
            "feed_size": input_size + fed,
        }
