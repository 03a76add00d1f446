"""Kernels in C, which compute the same as the parts that they replace."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The kernels of this package."""
    yield Component(
        "kernel", "rnn_encoder", "seqtool_fused.encoder:EncoderKernel", "a recurrent encoder in both directions, in C"
    )
    yield Component("kernel", "encode", "seqtool_fused.model:EncodeKernel", "embedding and recurrent encoder, in C")
    yield Component("kernel", "decode", "seqtool_fused.model:DecodeKernel", "embedding and all decoder steps, in C")
    yield Component("kernel", "lstm", "seqtool_fused.lstm:LSTMKernel", "all steps of an LSTM in C")
    yield Component(
        "kernel", "attend_before", "seqtool_fused.attend:AttendBeforeKernel", "all steps of attend_before in C"
    )
    yield Component(
        "kernel", "attend_after", "seqtool_fused.attend:AttendAfterKernel", "all steps of attend_after in C"
    )
    yield Component("kernel", "gru", "seqtool_fused.gru:GRUKernel", "all steps of a GRU in C")
    yield Component("kernel", "additive", "seqtool_fused.additive:AdditiveKernel", "additive scores in C")
    yield Component("kernel", "additive_keys", "seqtool_fused.keys:AdditiveKeysKernel", "keys of additive scores in C")
    yield Component("kernel", "general_keys", "seqtool_fused.keys:GeneralKeysKernel", "keys of general scores in C")
    yield Component("kernel", "concat", "seqtool_fused.additive:ConcatKernel", "concat scores in C")
    yield Component("kernel", "coverage", "seqtool_fused.additive:CoverageKernel", "additive scores with coverage in C")
    yield Component("kernel", "adam", "seqtool_fused.optimizer:AdamKernel", "Adam over all parameters, in C")
    yield Component(
        "kernel", "clip", "seqtool_fused.optimizer:ClipKernel", "gradient clipping over all parameters, in C"
    )
    yield Component("kernel", "zero_grad", "seqtool_fused.optimizer:ZeroGradKernel", "gradients set to None")
    yield Component(
        "kernel",
        "location_aware",
        "seqtool_fused.additive:LocationAwareKernel",
        "additive scores with features of the last attention weights, in C",
    )
