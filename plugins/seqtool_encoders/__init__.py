"""Encoders."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The encoders of this package."""
    yield Component("encoder", "identity", "seqtool_encoders.identity:Identity", "the embedded source itself")
    yield Component("encoder", "rnn", "seqtool_encoders.rnn:RNNEncoder", "layers of any cell, optionally bidirectional")
    yield Component(
        "encoder",
        "pyramid",
        "seqtool_encoders.pyramid:Pyramid",
        "recurrent layers, each of half the length of the one below",
    )
    yield Component(
        "encoder",
        "feed_forward",
        "seqtool_encoders.feed_forward:FeedForwardEncoder",
        "one layer, each position independently",
    )
    yield Component("encoder", "conv", "seqtool_encoders.conv:Conv", "convolutions with gated linear units")
    yield Component("encoder", "transformer", "seqtool_encoders.transformer:Transformer", "layers of self-attention")
