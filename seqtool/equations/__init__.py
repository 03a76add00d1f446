"""The equations of the parts in plain Python: floats and lists, without torch. One module per kind.

Each function computes one step of one row. The tests compare every part with its function.
"""

from seqtool.equations import attention, cell, decoder, encoder, loss, normalizer, readout, scorer

__all__ = ["attention", "cell", "decoder", "encoder", "loss", "normalizer", "readout", "scorer"]
