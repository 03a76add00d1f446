"""Recurrent cells."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The cells of this package."""
    yield Component("cell", "lstm", "seqtool_cells.lstm:LSTM", "long short-term memory")
    yield Component(
        "cell", "peephole_lstm", "seqtool_cells.peephole_lstm:PeepholeLSTM", "an LSTM whose gates read its cell state c"
    )
    yield Component(
        "cell", "layer_norm_lstm", "seqtool_cells.layer_norm_lstm:LayerNormLSTM", "an LSTM with layer normalisation"
    )
    yield Component(
        "cell",
        "phased_lstm",
        "seqtool_cells.phased_lstm:PhasedLSTM",
        "an LSTM whose units update periodically",
    )
    yield Component(
        "cell",
        "min_lstm",
        "seqtool_cells.min_lstm:MinLSTM",
        "an LSTM whose gates depend on the input alone: a parallel scan",
    )
    yield Component("cell", "gru", "seqtool_cells.gru:GRU", "gated recurrent unit")
    yield Component(
        "cell", "layer_norm_gru", "seqtool_cells.layer_norm_gru:LayerNormGRU", "a GRU with layer normalisation"
    )
    yield Component(
        "cell",
        "min_gru",
        "seqtool_cells.min_gru:MinGRU",
        "a GRU whose gate depends on the input alone: a parallel scan",
    )
    yield Component("cell", "rnn", "seqtool_cells.rnn:RNN", "Elman network, tanh or relu")
    yield Component(
        "cell", "stack", "seqtool_cells.stack:Stack", "layers of any cell, optionally with residual connections"
    )
    yield Component(
        "cell",
        "variational_dropout",
        "seqtool_cells.variational_dropout:VariationalDropout",
        "any cell, with dropout masks drawn once per sequence",
    )
    yield Component(
        "cell", "zoneout", "seqtool_cells.zoneout:Zoneout", "any cell, whose units randomly keep their last value"
    )
