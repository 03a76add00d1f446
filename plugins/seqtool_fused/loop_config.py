"""The `LoopConfig` of a decoder, and which decoders the loop in C supports."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from seqtool.api import own_modules, own_parameters, part_name
from seqtool_fused.loop_arguments import LoopConfig
from seqtool_fused.recurrent import PARAMETERS

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


class LoopParts(NamedTuple):
    """What determines a `LoopConfig`, besides the decoder's own options; hashable.

    Attributes:
        scorer: a value of `SCORERS`.
        window: gmm's number of components, variant, and hidden size, 0 without a hidden layer.
        size: the hidden size of additive scores.
        scale: the factor of products.
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


def loop_refusal(module: Any) -> str | None:
    """Why the loop does not support a decoder's cell and attention; None if it does."""
    attention, cell = own_modules(module).get("attention"), own_modules(module)["cell"]
    if attention is None:
        return "it has no attention"
    if part_name(cell) not in CELLS:
        return f"its cell is {type(cell).__name__}; LSTM and GRU are supported"
    if part_name(attention) != "attention":
        return f"its attention is {type(attention).__name__}"
    if attention.num_heads > 1:
        return f"it has {attention.num_heads} heads; one is supported"
    normalizer, scorer = part_name(own_modules(attention)["normalizer"]), part_name(scorer_of(attention))
    if normalizer not in NORMALIZERS:
        return f"its normalizer is {type(attention.normalizer).__name__}; Softmax and, with GMM, Exp are supported"
    if scorer not in SCORERS:
        return (
            f"its scorer is {type(attention.scorers[0]).__name__}; supported are GMM, Additive, Dot, ScaledDot, General"
        )
    if SCORERS[scorer] != GMM and not NORMALIZERS[normalizer]:
        return f"Exp is supported with GMM, not with {type(attention.scorers[0]).__name__}"
    return None


def parts_of(module: Any, input_size: int) -> LoopParts:
    """The parts of a decoder that `loop_refusal` accepts."""
    cell, attention = own_modules(module)["cell"], own_modules(module)["attention"]
    scorer = scorer_of(attention)
    kind, window, size = SCORERS[part_name(scorer)], (0, 0, 0), 0
    if kind == GMM:
        layers = own_modules(own_modules(scorer)["hidden"])
        hidden = layers["0"].out_features if layers else 0
        window = (scorer.components, VARIANTS[scorer.variant], hidden)
    elif kind == ADDITIVE:
        size = own_modules(scorer)["vector"].in_features
    return LoopParts(
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
    """The leaves of the cell's state, in order, by their names in attend.h."""
    return ("h",) if gru else ("h", "c")


def config_of(parts: LoopParts, columns: Mapping[str, int], extra_states: tuple[str, ...]) -> LoopConfig:
    """The config, from the parts and from the `columns` and `extra_states` that depend on the type of decoder."""
    sizes: dict[str, int] = {"E": parts.input_size, "M": parts.memory_size, "H": parts.hidden_size}
    sizes |= {"F": parts.feature_size, "gru": parts.gru, "softmax": parts.softmax}
    states = (*states_of(parts.gru), *extra_states)
    scorer_parameters: dict[str, str] = {}
    if parts.scorer == GMM:
        components, variant, hidden = parts.window
        first = "hidden.0" if hidden else "map"
        scorer_parameters = {"query_map": f"{first}.weight", "query_bias": f"{first}.bias"}
        sizes |= {"K": components, "P": 3 * components, "variant": variant}
        if hidden:
            scorer_parameters |= {"window": "map.weight", "window_bias": "map.bias"}
            sizes["hidden"] = hidden
        states = (*states, "mean")
    elif parts.scorer == ADDITIVE:
        scorer_parameters = {"query_map": "query_map.weight", "vector": "vector.weight"}
        sizes["K"] = sizes["P"] = parts.size
    else:
        sizes["K"] = sizes["P"] = columns["query_size"]
    parameters = {name: f"cell.{name}" for name in PARAMETERS}
    parameters |= {name: f"attention.scorers.0.{path}" for name, path in scorer_parameters.items()}
    if columns["D"]:
        parameters["combine"] = "combine.weight"
    paths = tuple(tuple(path.split(".")) for path in parameters.values())
    return LoopConfig(sizes | dict(columns) | {"scorer": parts.scorer}, parts.scale, parameters, states, paths)


def parameters_of(module: Any, config: LoopConfig) -> tuple[Tensor, ...]:
    """The parameters of a decoder in the order of `LoopConfig.parameters`."""
    parameters = []
    for *holders, name in config.paths:
        owner = module
        for holder in holders:
            owner = own_modules(owner)[holder]
        parameters.append(own_parameters(owner)[name])
    return tuple(parameters)


def scorer_of(attention: Any) -> Any:
    """The scorer of an attention with one head."""
    return own_modules(own_modules(attention)["scorers"])["0"]


def offsets(names: tuple[str, ...], widths: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """The offset of each name, and the total width."""
    starts, at = {}, 0
    for name in names:
        starts[name] = at
        at += widths[name]
    return starts, at
