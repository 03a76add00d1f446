"""The `fixed` and `state` of decoders with one cell and at most one attention, and their start."""

from typing import NamedTuple

from seqtool.api import Attention, Bridge, Cell, Encoded, Tree


class CellAndAttention(NamedTuple):
    """The trees of the cell and of the attention; `()` without attention."""

    cell: Tree
    attention: Tree = ()


def start_cell_and_attention(
    cell: Cell, bridge: Bridge, attention: Attention | None, encoded: Encoded
) -> tuple[CellAndAttention, CellAndAttention]:
    """`(fixed, state)` before the first step; the bridge computes the cell's state."""
    cell_fixed, cell_state = cell.start(len(encoded.memory), encoded.memory)
    cell_state = bridge(encoded.final, cell_state)
    if attention is None:
        return CellAndAttention(cell_fixed), CellAndAttention(cell_state)
    attention_fixed, attention_state = attention.start(encoded.memory, encoded.mask)
    return CellAndAttention(cell_fixed, attention_fixed), CellAndAttention(cell_state, attention_state)
