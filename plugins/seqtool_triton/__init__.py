"""Kernels in Triton for CUDA: all target steps of an attentive decoder in one launch, forward and backward."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The kernels of this package."""
    yield Component(
        "twin",
        "attend_before_cuda",
        "seqtool_triton.small:AttendBeforeTwin",
        "all steps of a small attend_before in one CUDA kernel",
    )
    yield Component(
        "twin",
        "attend_after_cuda",
        "seqtool_triton.small:AttendAfterTwin",
        "all steps of a small attend_after with input feeding in one CUDA kernel",
    )
    yield Component("twin", "wide_attend_after", "seqtool_triton.wide:WideAttendAfterTwin", "wide attend_after on CUDA")
    yield Component(
        "twin", "wide_attend_before", "seqtool_triton.wide:WideAttendBeforeTwin", "wide attend_before on CUDA"
    )
    yield Component("twin", "attention", "seqtool_triton.wide:AttentionTwin", "an attention's queries on CUDA")
    yield Component("twin", "both_ways", "seqtool_triton.both_ways:BothWaysTwin", "an encoder rnn both ways on CUDA")
