"""Recurrent cells."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The cells of this package."""
    yield Component("cell", "lstm", "seqtool_cells.lstm:LSTM", "long short-term memory")
    yield Component("cell", "gru", "seqtool_cells.gru:GRU", "gated recurrent unit")
    yield Component("cell", "rnn", "seqtool_cells.rnn:RNN", "Elman network, tanh or relu")
