"""The equations in plain Python: floats and lists, no torch. One file a kind, to read beside the papers.

They are slow and have no batch: one row, one step. The tests hold every part to them.
"""

from seqtool.equations import loss, readout
from seqtool.equations.attention import attend, context, heads
from seqtool.equations.cell import Gate, gru, lstm, rnn
from seqtool.equations.decoder import (
    attend_after,
    attend_before,
    attend_inside,
    plain,
    pointer,
    pointer_generator,
)
from seqtool.equations.encoder import bidirectional, encode
from seqtool.equations.normalizer import exp, softmax
from seqtool.equations.scorer import Window, additive, dot, general, gmm, scaled_dot

__all__ = [
    "Gate",
    "Window",
    "additive",
    "attend",
    "attend_after",
    "attend_before",
    "attend_inside",
    "bidirectional",
    "context",
    "dot",
    "encode",
    "exp",
    "general",
    "gmm",
    "gru",
    "heads",
    "loss",
    "lstm",
    "plain",
    "pointer",
    "pointer_generator",
    "readout",
    "rnn",
    "scaled_dot",
    "softmax",
]
