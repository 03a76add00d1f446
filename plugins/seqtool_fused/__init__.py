"""Twins in C: the same numbers as the parts they stand in for, in a fraction of the time."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The twins of this package."""
    yield Component("twin", "lstm", "seqtool_fused.lstm:LSTMTwin", "all steps of an LSTM in C")
    yield Component("twin", "attend_before", "seqtool_fused.attend:AttendBeforeTwin", "all steps of attend_before in C")
    yield Component("twin", "attend_after", "seqtool_fused.attend:AttendAfterTwin", "all steps of attend_after in C")
