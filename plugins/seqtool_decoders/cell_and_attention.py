"""What decoders with a cell and an attention keep."""

from typing import NamedTuple

from seqtool.api import Tree


class CellAndAttention(NamedTuple):
    """The trees of the cell and of the attention, `()` without one: `fixed` as well as `state`."""

    cell: Tree
    attention: Tree = ()
