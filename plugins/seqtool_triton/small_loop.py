"""All steps of a decoder as one differentiable operation: the kernels' arguments, and the products around them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

Tensors = tuple[Tensor, ...]
Slices = dict[str, slice]
REGISTERS = 224
"""Registers per thread that may contain matrices."""


@dataclass(frozen=True)
class Plan:
    """A decoder, as the kernels need it.

    Attributes:
        parameters: the paths of the decoder's parameters, by the names used here.
        states: the names of its state's tensors: h, c, fed, mean.
        sizes: constants of the kernels, by their names there.
        scale: the factor of products.
        feed: the columns of the cell's input: the step's input ("input"), the context or h~ ("seen").
        query: the columns of the query: h ("output") and the step's input ("input").
        features: the columns of the features; empty if the features are the attentional vector.
    """

    parameters: dict[str, str]
    states: tuple[str, ...]
    sizes: dict[str, Any]
    scale: float
    feed: Slices
    query: Slices
    features: Slices

    @property
    def after(self) -> bool:
        """Whether the cell runs before the attention."""
        return bool(self.sizes["AFTER"])

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs of `Loop` by name; the keys of gmm are positions, which have no gradient."""
        return ("x", "values", "keys", *self.states, *self.parameters)


class Loop(torch.autograd.Function):
    """`(plan, decoder, unroll, mask, *inputs)` -> `(features, weights [B, T, S], *state)`; `inputs` as `plan.names`."""

    @staticmethod
    def forward(
        ctx: Any, plan: Plan, decoder: nn.Module, unroll: Callable[..., Any], mask: Tensor, *inputs: Tensor
    ) -> Tensors:
        """All steps; `unroll` is the reference, as a function of tensors."""
        named = {name: x.contiguous() for name, x in zip(plan.names, inputs, strict=True)}
        kept = _forward(plan, mask, named)
        outputs = (kept["outputs"], kept["weights"], *(kept[f"last_{name}"] for name in plan.states))
        kept = {name: x for name, x in kept.items() if not name.startswith("last_")}
        ctx.plan, ctx.decoder, ctx.kept = plan, _Replaced(decoder, unroll), tuple(kept)
        ctx.save_for_backward(mask, *inputs, *kept.values())
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients of the inputs. With `create_graph`, of the reference, which can be differentiated again."""
        mask, *saved = ctx.saved_tensors
        plan, wanted = ctx.plan, ctx.needs_input_grad[4:]
        inputs, kept = saved[: len(wanted)], dict(zip(ctx.kept, saved[len(wanted) :], strict=True))
        if torch.is_grad_enabled():
            found = iter(_reference_gradients(plan, ctx.decoder, mask, inputs, of_outputs, wanted))
            return *[None] * 4, *(next(found) if want else None for want in wanted)
        named = dict(zip(plan.names, inputs, strict=True))
        asked = {name for name, want in zip(plan.names, wanted, strict=True) if want}
        of = _backward(plan, named, kept, of_outputs, asked)
        return *[None] * 4, *(of[name] if name in asked else None for name in plan.names)


class _Replaced(nn.Module):
    """The reference `unroll` of a decoder, as a module whose parameters can be replaced."""

    def __init__(self, decoder: nn.Module, unroll: Callable[..., Any]) -> None:
        super().__init__()
        self.decoder, self.unroll = decoder, unroll

    def forward(self, x: Tensor, memory: Tensors, state: Tensors) -> Any:
        return self.unroll(self.decoder, x, memory, state)


def _reference(plan: Plan, decoder: _Replaced, mask: Tensor, inputs: Sequence[Tensor]) -> Tensors:
    """The outputs of `Loop`, computed with the reference."""
    named = dict(zip(plan.names, inputs, strict=True))
    memory, state = (named["values"], mask, named["keys"]), tuple(named[name] for name in plan.states)
    parameters = {f"decoder.{path}": named[name] for name, path in plan.parameters.items()}
    features, weights, last = functional_call(decoder, parameters, (named["x"], memory, state))
    return features, weights.squeeze(1), *last


def _reference_gradients(
    plan: Plan,
    decoder: _Replaced,
    mask: Tensor,
    inputs: Sequence[Tensor],
    of_outputs: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> Tensors:
    inputs = [x.view_as(x) for x in inputs]  # one may depend on another; this gives partial derivatives
    asked = [x for x, want in zip(inputs, wanted, strict=True) if want]
    outputs = _reference(plan, decoder, mask, inputs)
    pairs = [(x, g) for x, g in zip(outputs, of_outputs, strict=True) if x.requires_grad and g is not None]
    ours, theirs = zip(*pairs, strict=True)
    return torch.autograd.grad(ours, asked, theirs, create_graph=True, allow_unused=True)


def _forward(plan: Plan, mask: Tensor, named: dict[str, Tensor]) -> dict[str, Tensor]:
    """The outputs, and the tensors that the backward pass needs."""
    from seqtool_triton.small_kernels import attend_forward

    sizes, x, values = plan.sizes, named["x"], named["values"]
    (rows, steps, _), positions, new = x.shape, values.shape[1], x.new_empty
    size_h, size_m = sizes["H"], sizes["M"]
    query_size = 3 * sizes["K"] if sizes["GMM"] else sizes["P"]
    kept = {
        "hs": new(rows, steps, size_h),
        "cs": None if sizes["GRU"] else new(rows, steps, size_h),
        "gates": new(rows, steps, 4 * size_h),
        "queries": new(rows, steps, query_size),
        "means": new(rows, steps, sizes["K"], dtype=torch.float64) if sizes["GMM"] else None,
        "contexts": new(rows, steps, size_m),
        "weights": new(rows, steps, positions),
        "features": new(rows, steps, sizes["N"]) if plan.after else None,
    }
    last = {f"last_{name}": torch.empty_like(named[name]) for name in plan.states if name != "fed"}
    shared = _common_arguments(plan, named)
    _launch(
        attend_forward,
        plan,
        positions,
        rows,
        x=_gate_inputs(plan, named),
        asked=_query_inputs(plan, named),
        mask=mask.contiguous().view(torch.uint8),
        first_fed=named.get("fed"),
        first_mean=named.get("mean"),
        last_h=last["last_h"],
        last_c=last.get("last_c"),
        last_mean=last.get("last_mean"),
        T=steps,
        S=positions,
        **shared,
        **kept,
    )
    if plan.after:
        outputs = kept["features"]
        last["last_fed"] = outputs[:, -1].clone()
    else:
        pieces = {"output": kept["hs"], "context": kept["contexts"], "input": x}
        joined = [pieces[name] for name in plan.features]
        outputs = joined[0] if len(joined) == 1 else torch.cat(joined, 2)
    return {name: tensor for name, tensor in (kept | last).items() if tensor is not None} | {"outputs": outputs}


def _backward(
    plan: Plan,
    named: dict[str, Tensor],
    kept: dict[str, Tensor],
    of_outputs: Sequence[Tensor | None],
    wanted: set[str],
) -> dict[str, Tensor]:
    """Gradients of the inputs by name: those `wanted`, and others that cost nothing."""
    from seqtool_triton.small_kernels import attend_backward

    sizes, x, (of_features, of_weights, *of_states) = plan.sizes, named["x"], of_outputs
    of_last = dict(zip(plan.states, of_states, strict=True))
    of_pieces = _pieces(plan, of_features)
    new, additive, gmm = x.new_empty, sizes["ADDITIVE"], sizes["GMM"]
    of = {
        "of_sums": torch.empty_like(kept["gates"]),
        "of_queries": torch.empty_like(kept["queries"]) if additive or gmm else None,
        "of_all_contexts": torch.empty_like(kept["contexts"]),
        "of_scores": None if additive or gmm else torch.empty_like(kept["weights"]),
        "of_keys": torch.empty(named["keys"].shape, dtype=x.dtype, device=x.device) if additive else None,
        "of_vectors": new(len(x), sizes["P"]) if additive else None,
        "of_joined": torch.empty_like(kept["features"]) if plan.after else None,
    }
    of_first = {f"of_first_{name}": new(named[name].shape) for name in plan.states}
    inner = {name: kept.get(name) for name in ("hs", "cs", "gates", "queries", "means", "weights", "features")}
    _launch(
        attend_backward,
        plan,
        named["values"].shape[1],
        len(x),
        **_common_arguments(plan, {name: tensor.contiguous() for name, tensor in named.items()}),
        **inner,
        of_hs=of_pieces.get("output"),
        of_contexts=of_pieces.get("context"),
        of_weights=None if of_weights is None else of_weights.contiguous(),
        of_features=None if not plan.after or of_features is None else of_features.contiguous(),
        **{f"of_last_{name}": _contiguous(of_last.get(name)) for name in ("h", "c", "mean", "fed")},
        **of,
        **{f"of_first_{name}": of_first.get(f"of_first_{name}") for name in ("h", "c", "mean", "fed")},
        T=x.shape[1],
        S=named["values"].shape[1],
    )
    found = {name: of_first[f"of_first_{name}"] for name in plan.states}
    return found | _product_gradients(
        plan, named, kept, {name: g for name, g in of.items() if g is not None}, of_pieces, wanted
    )


def _product_gradients(
    plan: Plan,
    named: dict[str, Tensor],
    kept: dict[str, Tensor],
    of: dict[str, Tensor],
    of_pieces: dict[str, Tensor],
    wanted: set[str],
) -> dict[str, Tensor]:
    """The gradients of all inputs but the first state, each as one product over all rows and steps."""
    size, x, found = plan.sizes["H"], named["x"], dict[str, Tensor]()
    of_sums = of["of_sums"].flatten(0, 1)
    of_fed = of_sums[:, : 3 * size] if plan.sizes["GRU"] else of_sums
    of_remembered = torch.cat([of_sums[:, : 2 * size], of_sums[:, 3 * size :]], 1) if plan.sizes["GRU"] else of_sums
    earlier = _shifted(named["h"], kept["hs"])
    seen = _shifted(named["fed"], kept["features"]) if plan.after else kept["contexts"]
    found["weight_ih"] = of_fed.T @ _joined(plan.feed, {"input": x, "seen": seen})
    found["weight_hh"] = of_remembered.T @ earlier.flatten(0, 1)
    found["bias_ih"] = of_fed.sum(0)
    found["bias_hh"] = of_remembered.sum(0) if plan.sizes["GRU"] else found["bias_ih"].clone()
    if "of_queries" in of:
        of_queries = of["of_queries"].flatten(0, 1)
        asking = kept["hs"] if plan.after else earlier
        found["query_map"] = of_queries.T @ _joined(plan.query, {"output": asking, "input": x})
        found["query_bias"] = of_queries.sum(0)
    if "of_vectors" in of:
        found["vector"] = of["of_vectors"].sum(0, keepdim=True)
        found["keys"] = of["of_keys"]
    if "of_scores" in of:
        found["keys"] = of["of_scores"].transpose(1, 2) @ kept["queries"]
    if plan.after:
        found["combine"] = of["of_joined"].flatten(0, 1).T @ torch.cat([kept["contexts"], kept["hs"]], 2).flatten(0, 1)
    if "values" in wanted:
        found["values"] = kept["weights"].transpose(1, 2) @ of["of_all_contexts"]
    if "x" in wanted:
        of_x = torch.zeros_like(x).flatten(0, 1)
        if "input" in plan.feed:
            of_x = of_fed @ named["weight_ih"][:, plan.feed["input"]]
        if "input" in plan.query:
            of_x = of_x + of_queries @ named["query_map"][:, plan.query["input"]]
        of_x = of_x.view_as(x)
        found["x"] = of_x + of_pieces["input"] if "input" in of_pieces else of_x
    return found


def _common_arguments(plan: Plan, named: dict[str, Tensor]) -> dict[str, Any]:
    """The arguments that both kernels share."""
    weight_seen = named["weight_ih"][:, plan.feed["seen"]]
    query_map = named.get("query_map")
    weight_query = None if query_map is None else query_map[:, plan.query["output"]]
    return {
        "values": named["values"],
        "keys": None if plan.sizes["GMM"] else named["keys"],
        "first_h": named["h"],
        "first_c": named.get("c"),
        "weight_hh": named["weight_hh"],
        "weight_seen": weight_seen,
        "seen_stride": weight_seen.stride(0),
        "weight_query": weight_query,
        "query_stride": 0 if weight_query is None else weight_query.stride(0),
        "score_vector": named.get("vector"),
        "combine": named.get("combine"),
        "scale": plan.scale,
    }


def _gate_inputs(plan: Plan, named: dict[str, Tensor]) -> Tensor:
    """The step's input and the biases in a cell's four sums: `[B, T, 4 H]`; see `small_kernels.cell`."""
    size, x, bias_ih, bias_hh = plan.sizes["H"], named["x"], named["bias_ih"], named["bias_hh"]
    gru = plan.sizes["GRU"]
    bias = torch.cat([bias_ih[: 2 * size] + bias_hh[: 2 * size], bias_ih[2 * size :]]) if gru else bias_ih + bias_hh
    if "input" in plan.feed:
        mapped = F.linear(x, named["weight_ih"][:, plan.feed["input"]], bias)
    else:
        mapped = bias.expand(*x.shape[:2], -1)
    return torch.cat([mapped, bias_hh[2 * size :].expand(*x.shape[:2], -1)], 2) if gru else mapped.contiguous()


def _query_inputs(plan: Plan, named: dict[str, Tensor]) -> Tensor | None:
    """The step's input and the bias in the mapped query: `[B, T, P]`; None if it has neither."""
    x, bias = named["x"], named.get("query_bias")
    if "input" in plan.query:
        return F.linear(x, named["query_map"][:, plan.query["input"]], bias)
    return None if bias is None else bias.expand(*x.shape[:2], -1).contiguous()


def _pieces(plan: Plan, of_features: Tensor | None) -> dict[str, Tensor]:
    """Gradients of the pieces of the features."""
    if of_features is None or plan.after:
        return {}
    return {name: of_features[:, :, where].contiguous() for name, where in plan.features.items()}


def _joined(where: Slices, pieces: dict[str, Tensor]) -> Tensor:
    """The pieces named in `where`, concatenated as rows `[B T, ...]`."""
    found = [pieces[name].flatten(0, 1) for name in where]
    return found[0] if len(found) == 1 else torch.cat(found, 1)


def _shifted(first: Tensor, following: Tensor) -> Tensor:
    """The value before each step: `[B, F]`, `[B, T, F]` -> `[B, T, F]`."""
    return torch.cat([first[:, None], following[:, :-1]], 1)


def _contiguous(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.contiguous()


def padded(size: int) -> int:
    """The power of two, at least 4, that a size is padded to."""
    return max(4, 1 << (size - 1).bit_length())


def _launch(kernel: Any, plan: Plan, positions: int, rows: int, **arguments: Any) -> None:
    """Launch a kernel with one program per row."""
    wide = {f"{name}_P": padded(plan.sizes[name]) for name in "HNMPK"} | {"S_P": padded(positions)}
    kernel[(rows,)](**arguments, **plan.sizes, **wide, num_warps=warps(wide))


def warps(wide: dict[str, int]) -> int:
    """The number of warps with which the matrices of a program fit in registers."""
    size_h, side = wide["H_P"], wide["H_P"] + wide["N_P"]
    numbers = 4 * size_h * side + wide["S_P"] * (wide["M_P"] + 3 * wide["P_P"])
    return next((count for count in (1, 2, 4, 8) if numbers <= 32 * REGISTERS * count), 16)
