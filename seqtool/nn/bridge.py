"""The bridge from the final states of an encoder to the initial state of a decoder."""

from typing import Literal

import torch
from torch import nn

from seqtool.errors import PartError
from seqtool.parts import tree
from seqtool.parts.cell import Cell, state_layout
from seqtool.parts.tree import Tree

BridgeType = Literal["copy", "linear", "zero"]


class Bridge(nn.Module):
    """Initializes the features of the state of a decoder's cell; other leaves, such as step counters, are unchanged.

    "copy": the final states themselves, of equal sizes (Sutskever et al. 2014, arXiv 1409.3215).
    "linear": each feature is an affine map of the concatenated final states (Bahdanau et al. 2015, arXiv 1409.0473,
    A.2.2, without the tanh, because c of an LSTM is not bounded). "zero": the initial state of the cell.

    Args:
        final_sizes: `Encoder.final_sizes`.
        cell: the decoder's cell.
        bridge: "copy", "linear" or "zero".
        only_connection: whether the bridge is the decoder's only access to the source, as without attention.

    Raises:
        PartError: the sizes do not fit, there is no final state, or "zero" is the only connection.
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
                allowed="an encoder with a final state, such as rnn" + ("" if only_connection else ", or 'zero'"),
            )
        if bridge == "copy" and tuple(final_sizes) != sizes:
            raise PartError(
                f"bridge 'copy' needs equal sizes: the final states of the encoder have {list(final_sizes)}, "
                f"the state of the decoder's cell {list(sizes)}",
                option="bridge",
                allowed=f"{other}, or equal sizes",
            )
        linear = bridge == "linear"
        self.maps = nn.ModuleList(nn.Linear(sum(final_sizes), size) for size in sizes if linear)

    def forward(self, final: Tree, state: Tree) -> Tree:
        """`Encoded.final` and the initial state of the cell -> the initial state of the decoder's cell."""
        if self.bridge == "zero":
            return state
        vectors = tree.vectors(final)
        if self.bridge == "linear":
            joined = torch.cat(vectors, -1)
            vectors = [affine(joined) for affine in self.maps]
        leaves = tree.leaves(state)
        for index, vector in zip(self.features, vectors, strict=True):
            leaves[index] = vector.reshape(leaves[index].shape)
        return tree.rebuild(state, leaves)
