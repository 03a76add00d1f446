"""Twins in C: the same numbers as the parts they stand in for, in a fraction of the time."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The twins of this package."""
    yield Component("twin", "rnn_encoder", "seqtool_fused.encoder:EncoderTwin", "an encoder rnn, both ways, in C")
    yield Component("twin", "learned", "seqtool_fused.embedding:LearnedTwin", "vectors that tell their symbols")
    yield Component("twin", "one_hot", "seqtool_fused.embedding:OneHotTwin", "vectors that tell their symbols")
    yield Component("twin", "lstm", "seqtool_fused.lstm:LSTMTwin", "all steps of an LSTM in C")
    yield Component("twin", "attend_before", "seqtool_fused.attend:AttendBeforeTwin", "all steps of attend_before in C")
    yield Component("twin", "attend_after", "seqtool_fused.attend:AttendAfterTwin", "all steps of attend_after in C")
    yield Component("twin", "gru", "seqtool_fused.gru:GRUTwin", "all steps of a GRU in C")
    yield Component("twin", "additive", "seqtool_fused.additive:AdditiveTwin", "additive scores in C")
    yield Component("twin", "additive_keys", "seqtool_fused.keys:AdditiveKeysTwin", "keys of additive scores in C")
    yield Component("twin", "general_keys", "seqtool_fused.keys:GeneralKeysTwin", "keys of general scores in C")
    yield Component("twin", "concat", "seqtool_fused.additive:ConcatTwin", "scores of a joined map in C")
    yield Component("twin", "coverage", "seqtool_fused.additive:CoverageTwin", "additive scores with coverage in C")
    yield Component("twin", "adam", "seqtool_fused.update:AdamTwin", "Adam of all parameters in C")
    yield Component("twin", "clip", "seqtool_fused.update:ClipTwin", "the norm of all gradients in C")
    yield Component("twin", "zero_grad", "seqtool_fused.update:ZeroGradTwin", "gradients given back at once")
    yield Component(
        "twin",
        "location_aware",
        "seqtool_fused.additive:LocationAwareTwin",
        "additive scores that see the last weights, in C",
    )
