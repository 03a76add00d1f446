"""What a decoder's parts are to the loop in C, and why some are nothing to it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from seqtool.api import own_modules, own_parameters, part_name
from seqtool_fused.layout import Shape

GMM, ADDITIVE, PRODUCT = range(3)
CELLS = {"cell/cells:lstm": 0, "cell/cells:gru": 1}
SCORERS = {
    "scorer/attention:gmm": GMM,
    "scorer/attention:additive": ADDITIVE,
    "scorer/attention:dot": PRODUCT,
    "scorer/attention:scaled_dot": PRODUCT,
    "scorer/attention:general": PRODUCT,
}
NORMALIZERS = {"normalizer/attention:softmax": 1, "normalizer/attention:exp": 0}
VARIANTS = {"v0": 0, "v1": 1, "v2": 2, "v2b": 2}
CELL_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Parts(NamedTuple):
    """What a shape follows from, besides the decoder's own options: decoders of equal parts have equal shapes.

    Attributes:
        scorer: a value of `SCORERS`.
        window: of gmm, how many components, the variant, and the size of its hidden layer, 0 without one.
        size: of additive scores, their hidden size.
        scale: of a product.
    """

    input_size: int
    feature_size: int
    memory_size: int
    hidden_size: int
    gru: int
    softmax: int
    scorer: int
    window: tuple[int, int, int]
    size: int
    scale: float


def why_not(module: Any) -> str | None:
    """Why the loop cannot do a decoder's cell and attention; None where it can."""
    attention, cell = own_modules(module).get("attention"), own_modules(module)["cell"]
    if attention is None:
        return "it has no attention"
    if part_name(cell) not in CELLS:
        return f"its cell is {type(cell).__name__}; known are LSTM and GRU"
    if part_name(attention) != "attention":
        return f"its attention is {type(attention).__name__}"
    if attention.num_heads > 1:
        return f"it has {attention.num_heads} heads; known is one"
    normalizer, scorer = part_name(own_modules(attention)["normalizer"]), part_name(scorer_of(attention))
    if normalizer not in NORMALIZERS:
        return f"its normalizer is {type(attention.normalizer).__name__}; known are Softmax and, for GMM, Exp"
    if scorer not in SCORERS:
        return f"its scorer is {type(attention.scorers[0]).__name__}; known are GMM, Additive, Dot, ScaledDot, General"
    if SCORERS[scorer] != GMM and not NORMALIZERS[normalizer]:
        return f"Exp is known with GMM, not with {type(attention.scorers[0]).__name__}"
    return None


def parts_of(module: Any, input_size: int) -> Parts:
    """The parts of a decoder that `why_not` does not refuse."""
    cell, attention = own_modules(module)["cell"], own_modules(module)["attention"]
    scorer = scorer_of(attention)
    kind, window, size = SCORERS[part_name(scorer)], (0, 0, 0), 0
    if kind == GMM:
        layers = own_modules(own_modules(scorer)["hidden"])
        hidden = layers["0"].out_features if layers else 0
        window = (scorer.components, VARIANTS[scorer.variant], hidden)
    elif kind == ADDITIVE:
        size = own_modules(scorer)["vector"].in_features
    return Parts(
        input_size,
        module.feature_size,
        attention.memory_size,
        cell.output_size,
        CELLS[part_name(cell)],
        NORMALIZERS[part_name(own_modules(attention)["normalizer"])],
        kind,
        window,
        size,
        vars(scorer).get("scale", 1.0),
    )


def states_of(gru: int) -> tuple[str, ...]:
    """The leaves of the cell's state, in order, by the names of attend.h."""
    return ("h",) if gru else ("h", "c")


def shape_of(parts: Parts, places: Mapping[str, int], extra: tuple[str, ...]) -> Shape:
    """Sizes, parameters and states; `places` and the states `extra` are what the decoder alone knows."""
    sizes: dict[str, int] = {"E": parts.input_size, "M": parts.memory_size, "H": parts.hidden_size}
    sizes |= {"F": parts.feature_size, "gru": parts.gru, "softmax": parts.softmax}
    states = (*states_of(parts.gru), *extra)
    ours: dict[str, str] = {}
    if parts.scorer == GMM:
        components, variant, hidden = parts.window
        first = "hidden.0" if hidden else "map"
        ours = {"query_map": f"{first}.weight", "query_bias": f"{first}.bias"}
        sizes |= {"K": components, "P": 3 * components, "variant": variant}
        if hidden:
            ours |= {"window": "map.weight", "window_bias": "map.bias"}
            sizes["hidden"] = hidden
        states = (*states, "mean")
    elif parts.scorer == ADDITIVE:
        ours = {"query_map": "query_map.weight", "vector": "vector.weight"}
        sizes["K"] = sizes["P"] = parts.size
    else:
        sizes["K"] = sizes["P"] = places["query_size"]
    parameters = {name: f"cell.{name}" for name in CELL_PARAMETERS}
    parameters |= {name: f"attention.scorers.0.{path}" for name, path in ours.items()}
    if places["D"]:
        parameters["combine"] = "combine.weight"
    paths = tuple(tuple(path.split(".")) for path in parameters.values())
    return Shape(sizes | dict(places) | {"scorer": parts.scorer}, parts.scale, parameters, states, paths)


def parameters_of(module: Any, shape: Shape) -> tuple[Tensor, ...]:
    """The parameters of a decoder in the order of `Shape.parameters`."""
    found = []
    for *holders, name in shape.paths:
        owner = module
        for holder in holders:
            owner = own_modules(owner)[holder]
        found.append(own_parameters(owner)[name])
    return tuple(found)


def scorer_of(attention: Any) -> Any:
    """The first scorer of an attention, the only one of those that are known."""
    return own_modules(own_modules(attention)["scorers"])["0"]


def offsets(names: tuple[str, ...], widths: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Where each name begins, and the width of all."""
    found, at = {}, 0
    for name in names:
        found[name] = at
        at += widths[name]
    return found, at
