"""The equations in plain Python: floats and lists, no torch. One file a kind, to read beside the papers.

They are slow and have no batch: one row, one step. The tests hold every part to them.
"""

from seqtool.equations.attention import attend, context, heads
from seqtool.equations.cell import Gate, gru, lstm, rnn
from seqtool.equations.decoder import attend_after, attend_before, plain
from seqtool.equations.encoder import bidirectional, encode
from seqtool.equations.normalizer import (
    entmax15,
    exp,
    forward,
    hard,
    local_m,
    local_p,
    mocha,
    monotonic,
    sigmoid,
    softmax,
    sparsemax,
    stepwise_monotonic,
)
from seqtool.equations.scorer import (
    Window,
    additive,
    beta_binomial,
    concat,
    cosine,
    coverage,
    dense,
    dot,
    dynamic_convolution,
    feed_forward,
    filters_of,
    general,
    gmm,
    location,
    location_aware,
    scaled_dot,
)

__all__ = [
    "Gate",
    "Window",
    "additive",
    "attend",
    "attend_after",
    "attend_before",
    "beta_binomial",
    "bidirectional",
    "concat",
    "context",
    "cosine",
    "coverage",
    "dense",
    "dot",
    "dynamic_convolution",
    "encode",
    "entmax15",
    "exp",
    "feed_forward",
    "filters_of",
    "forward",
    "general",
    "gmm",
    "gru",
    "hard",
    "heads",
    "local_m",
    "local_p",
    "location",
    "location_aware",
    "lstm",
    "mocha",
    "monotonic",
    "plain",
    "rnn",
    "scaled_dot",
    "sigmoid",
    "softmax",
    "sparsemax",
    "stepwise_monotonic",
]
