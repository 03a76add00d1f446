"""Kernels in Triton for CUDA: all target steps of an attentive decoder in one launch, forward and backward."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The kernels of this package."""
    yield Component(
        "kernel",
        "attend_before_cuda",
        "seqtool_triton.small:AttendBeforeKernel",
        "all steps of a small attend_before in one CUDA kernel",
    )
    yield Component(
        "kernel",
        "attend_after_cuda",
        "seqtool_triton.small:AttendAfterKernel",
        "all steps of a small attend_after with input feeding in one CUDA kernel",
    )
    yield Component(
        "kernel", "wide_attend_after", "seqtool_triton.wide:WideAttendAfterKernel", "wide attend_after on CUDA"
    )
    yield Component(
        "kernel", "wide_attend_before", "seqtool_triton.wide:WideAttendBeforeKernel", "wide attend_before on CUDA"
    )
    yield Component("kernel", "attention", "seqtool_triton.wide:AttentionKernel", "attention with softmax on CUDA")
    yield Component(
        "kernel", "both_ways", "seqtool_triton.both_ways:BothWaysKernel", "a bidirectional recurrent encoder on CUDA"
    )
