"""The equations in plain Python: floats and lists, no torch. One file a kind, to read beside the papers.

They are slow and have no batch: one row, one step. The tests hold every part to them.
"""

from seqtool.equations.attention import attend, context, heads
from seqtool.equations.cell import (
    Affine,
    Gate,
    Norm,
    NormedSums,
    dropout,
    gru,
    layer_norm_gru,
    layer_norm_lstm,
    lstm,
    min_gru,
    min_lstm,
    openness,
    peephole_lstm,
    phased,
    positive,
    rnn,
    stack,
    zoneout,
)
from seqtool.equations.decoder import attend_after, attend_before, plain
from seqtool.equations.encoder import (
    TransformerLayer,
    bidirectional,
    convolution,
    encode,
    pairs,
    sinusoid,
    transformer_layer,
)
from seqtool.equations.normalizer import exp, softmax
from seqtool.equations.scorer import Window, additive, dot, general, gmm, scaled_dot

__all__ = [
    "Affine",
    "Gate",
    "Norm",
    "NormedSums",
    "TransformerLayer",
    "Window",
    "additive",
    "attend",
    "attend_after",
    "attend_before",
    "bidirectional",
    "context",
    "convolution",
    "dot",
    "dropout",
    "encode",
    "exp",
    "general",
    "gmm",
    "gru",
    "heads",
    "layer_norm_gru",
    "layer_norm_lstm",
    "lstm",
    "min_gru",
    "min_lstm",
    "openness",
    "pairs",
    "peephole_lstm",
    "phased",
    "plain",
    "positive",
    "rnn",
    "scaled_dot",
    "sinusoid",
    "softmax",
    "stack",
    "transformer_layer",
    "zoneout",
]
