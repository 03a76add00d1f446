"""The bridge from an encoder's final states to a decoder's first state."""

from typing import Literal

import torch
from torch import nn

from seqtool.errors import PartError
from seqtool.parts import tree
from seqtool.parts.cell import Cell, state_layout
from seqtool.parts.tree import Tree

BridgeType = Literal["copy", "linear", "zero"]


class Bridge(nn.Module):
    """Writes the features of the first state of a decoder's cell; the rest, a count of steps, starts as the cell does.

    "copy": the final states themselves, sizes being equal (Sutskever et al. 2014, arXiv 1409.3215).
    "linear": each state an affine map of all final states joined (Bahdanau et al. 2015, arXiv 1409.0473, A.2.2,
    without its tanh, since an LSTM's c is not bounded). "zero": the cell's own start, whatever the encoder ends with.

    Args:
        final_sizes: the encoder's. cell: the decoder's. bridge: which of the three.
        only_connection: whether nothing else (attention, say) tells the decoder of the source.
    """

    def __init__(
        self,
        final_sizes: tuple[int, ...],
        cell: Cell,
        bridge: BridgeType,
        *,
        only_connection: bool,
    ) -> None:
        super().__init__()
        self.bridge = bridge
        layout = state_layout(cell)
        self.features, sizes = layout.features, layout.sizes
        other = "'linear'" if only_connection else "'linear', 'zero'"
        if bridge == "zero" and only_connection:
            raise PartError(
                "with bridge 'zero' and no attention the decoder never sees the source",
                option="bridge",
                allowed="'copy' or 'linear', or an attention",
            )
        if bridge != "zero" and not final_sizes:
            raise PartError(
                f"bridge {bridge!r} needs an encoder with a final state, and this encoder has none",
                option="bridge",
                allowed="an encoder that has one, such as rnn" + ("" if only_connection else ", or 'zero'"),
            )
        if bridge == "copy" and tuple(final_sizes) != sizes:
            raise PartError(
                f"bridge 'copy' needs equal sizes: the encoder ends with {list(final_sizes)}, "
                f"the decoder's cell starts with {list(sizes)}",
                option="bridge",
                allowed=f"{other}, or equal sizes",
            )
        linear = bridge == "linear"
        self.maps = nn.ModuleList(nn.Linear(sum(final_sizes), size) for size in sizes if linear)

    def forward(self, final: Tree, state: Tree) -> Tree:
        """`final` of the encoder and the cell's own start -> the first state."""
        if self.bridge == "zero":
            return state
        written = tree.vectors(final)
        if self.bridge == "linear":
            joined = torch.cat(written, -1)
            written = [affine(joined) for affine in self.maps]
        first = tree.leaves(state)
        for place, vector in zip(self.features, written, strict=True):
            first[place] = vector.reshape(first[place].shape)
        return tree.rebuild(state, first)
