"""Recurrent cells."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The cells of this package."""
    yield Component("cell", "lstm", "seqtool_cells.lstm:LSTM", "long short-term memory")
    yield Component(
        "cell", "peephole_lstm", "seqtool_cells.peephole_lstm:PeepholeLSTM", "an LSTM whose gates see its inner state"
    )
    yield Component(
        "cell", "layer_norm_lstm", "seqtool_cells.layer_norm_lstm:LayerNormLSTM", "an LSTM with layer normalisation"
    )
    yield Component(
        "cell",
        "phased_lstm",
        "seqtool_cells.phased_lstm:PhasedLSTM",
        "an LSTM whose units open by rhythms of their own",
    )
    yield Component(
        "cell", "min_lstm", "seqtool_cells.min_lstm:MinLSTM", "gates that see the input alone: all steps at once"
    )
    yield Component("cell", "gru", "seqtool_cells.gru:GRU", "gated recurrent unit")
    yield Component(
        "cell", "layer_norm_gru", "seqtool_cells.layer_norm_gru:LayerNormGRU", "a GRU with layer normalisation"
    )
    yield Component(
        "cell", "min_gru", "seqtool_cells.min_gru:MinGRU", "one gate that sees the input alone: all steps at once"
    )
    yield Component("cell", "rnn", "seqtool_cells.rnn:RNN", "Elman network, tanh or relu")
    yield Component(
        "cell", "stack", "seqtool_cells.stack:Stack", "layers of any cell, with residual connections or not"
    )
    yield Component(
        "cell",
        "variational_dropout",
        "seqtool_cells.variational_dropout:VariationalDropout",
        "any cell, masks drawn once a sequence on what its weights read",
    )
    yield Component(
        "cell", "zoneout", "seqtool_cells.zoneout:Zoneout", "any cell, units that keep their value by chance"
    )
