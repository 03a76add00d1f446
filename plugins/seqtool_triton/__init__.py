"""Twins in Triton, for a GPU."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The twins of this package."""
    yield Component(
        "twin", "wide_attend_after", "seqtool_triton.wide:WideAttendAfterTwin", "attend_after in a few kernels"
    )
    yield Component("twin", "wide_attend_before", "seqtool_triton.wide:WideAttendBeforeTwin", "attend_before likewise")
    yield Component("twin", "attention", "seqtool_triton.wide:AttentionTwin", "an attention in one kernel")
