"""What a decoder's parts are to the loop in C, and why some are nothing to it."""

from collections.abc import Mapping
from typing import Any

from seqtool.api import class_name
from seqtool_fused.layout import Shape

GMM, ADDITIVE, PRODUCT = range(3)
CELLS = {"seqtool_cells.lstm:LSTM": 0, "seqtool_cells.gru:GRU": 1}
SCORERS = {
    "seqtool_attention.gmm:GMM": GMM,
    "seqtool_attention.additive:Additive": ADDITIVE,
    "seqtool_attention.dot:Dot": PRODUCT,
    "seqtool_attention.scaled_dot:ScaledDot": PRODUCT,
    "seqtool_attention.general:General": PRODUCT,
}
NORMALIZERS = {"seqtool_attention.softmax:Softmax": 1, "seqtool_attention.exp:Exp": 0}
VARIANTS = {"v0": 0, "v1": 1, "v2": 2, "v2b": 2}


def why_not(module: Any) -> str | None:
    """Why the loop cannot do a decoder's cell and attention; None where it can."""
    if module.attention is None:
        return "it has no attention"
    if class_name(module.cell) not in CELLS:
        return f"its cell is {type(module.cell).__name__}; known are LSTM and GRU"
    attention = module.attention
    if attention.num_heads > 1:
        return f"it has {attention.num_heads} heads; known is one"
    normalizer, scorer = class_name(attention.normalizer), class_name(attention.scorers[0])
    if normalizer not in NORMALIZERS:
        return f"its normalizer is {type(attention.normalizer).__name__}; known are Softmax and, for GMM, Exp"
    if scorer not in SCORERS:
        return f"its scorer is {type(attention.scorers[0]).__name__}; known are GMM, Additive, Dot, ScaledDot, General"
    if SCORERS[scorer] != GMM and not NORMALIZERS[normalizer]:
        return f"Exp is known with GMM, not with {type(attention.scorers[0]).__name__}"
    return None


def states_of(cell: Any) -> tuple[str, ...]:
    """The leaves of the cell's state, in order, by the names of attend.h."""
    return ("h",) if CELLS[class_name(cell)] else ("h", "c")


def shape_of(module: Any, input_size: int, places: Mapping[str, int], states: tuple[str, ...]) -> Shape:
    """Sizes, parameters and states; `places` is what the decoder alone knows."""
    cell, attention, scorer = module.cell, module.attention, module.attention.scorers[0]
    sizes: dict[str, int] = {"E": input_size, "M": attention.memory_size, "H": cell.output_size}
    sizes |= {
        "F": module.feature_size,
        "gru": CELLS[class_name(cell)],
        "softmax": NORMALIZERS[class_name(attention.normalizer)],
    }
    parameters = {name: f"cell.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    kind = SCORERS[class_name(scorer)]
    ours: dict[str, str] = {}
    if kind == GMM:
        first = "hidden.0" if len(scorer.hidden) else "map"
        ours = {"query_map": f"{first}.weight", "query_bias": f"{first}.bias"}
        sizes |= {"K": scorer.components, "P": 3 * scorer.components, "variant": VARIANTS[scorer.variant]}
        if len(scorer.hidden):
            ours |= {"window": "map.weight", "window_bias": "map.bias"}
            sizes["hidden"] = scorer.hidden[0].out_features
        states = (*states, "mean")
    elif kind == ADDITIVE:
        ours = {"query_map": "query_map.weight", "vector": "vector.weight"}
        sizes["K"] = sizes["P"] = scorer.vector.in_features
    else:
        sizes["K"] = sizes["P"] = places["query_size"]
    parameters |= {name: f"attention.scorers.0.{path}" for name, path in ours.items()}
    if places["D"]:
        parameters["combine"] = "combine.weight"
    scale = getattr(scorer, "scale", 1.0)
    return Shape(sizes | dict(places) | {"scorer": kind}, scale, parameters, states)


def offsets(names: tuple[str, ...], widths: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Where each name begins, and the width of all."""
    found, at = {}, 0
    for name in names:
        found[name] = at
        at += widths[name]
    return found, at
