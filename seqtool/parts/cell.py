"""The contract of a cell: one step of a recurrent network."""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.errors import PartError
from seqtool.parts import tree
from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated
from seqtool.parts.tree import Tree


class Cell(nn.Module):
    """One step of a recurrent network. Encoders and decoders use the same cells.

    A subclass takes `(input_size, *, hidden_size, ...)`, sets `output_size`, and defines `start` and `step`. Its
    `fixed` and `state` are trees of tensors `[B, ...]` (see `seqtool.parts.tree`) of any structure and shape: a tensor
    `h`, `LSTMState(h, c)`, a matrix memory. No tensor occurs twice in a tree. Counters are int64.

    Attributes:
        output_size: H, the size of the output.
        kernels: the kernels of its methods (see `seqtool.parts.kernel`).
    """

    kind = "cell"
    kernels: Kernels = NO_KERNELS
    output_size: int

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tree]:
        """`(fixed, state)` before the first step, with the dtype and device of `like`.

        `fixed` contains what is sampled once per sequence, such as dropout masks; `()` if there is nothing.
        """
        raise NotImplementedError

    def step(self, x: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """One step: `x [B, I]` -> `(output [B, H], state)`. The structure of the state does not change."""
        raise NotImplementedError

    def output(self, state: Tree) -> Tensor:
        """The last output `[B, H]`, which is a leaf of the state: by default the first leaf."""
        while not isinstance(state, Tensor):
            state = state[0]
        return state

    def features(self, state: Tree) -> Tree:
        """The subtree of the state that queries, bridges and zoneout use: by default all floating-point leaves.

        It contains leaves of the state as they are, not slices or other results of them.
        """
        return tuple(leaf for leaf in tree.leaves(state) if leaf.is_floating_point())

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """One step for recurrent dropout: the recurrent weights are applied to the last output times `factors [B, H]`.

        The part of the state that is carried over is not scaled. The default is correct for cells that do not carry
        their output over (LSTM); a cell that does (GRU) overrides it.
        """
        return self.step(x, fixed, self.scale_output(state, factors))

    def scale_output(self, state: Tree, factors: Tensor) -> Tree:
        """The state with the last output multiplied by `factors [B, H]`."""
        output = self.output(state)
        return tree.map(lambda leaf: leaf * factors if leaf is output else leaf, state)

    def gates(self, x: Tensor, fixed: Tree, state: Tree) -> dict[str, Tensor]:
        """The gate values of a `step` from `state` by name, each `[B, H]` in [0, 1]; `{}` for a cell without gates.

        For inspection only: `step` and `unroll` do not call it.
        """
        return {}

    @accelerated
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """All steps: `x [B, S, I]`, `mask [B, S]` -> `(outputs [B, S, H], state)`.

        Outputs at padding are zero, and the final state is the state after each row's last real position. A leaf that
        grows with every step is padded with zeros at the end.
        This loop is the reference. An override computes the same faster, and the contract suite compares the two.
        """
        outputs = []
        for x_t, real in zip(x.unbind(1), mask.unsqueeze(2).unbind(1), strict=True):
            output, after = self.step(x_t, fixed, state)
            state = tree.where_real(real, after, state)
            outputs.append(output.masked_fill(~real, 0))
        return stack_steps(outputs, x, self.output_size), state


class StateLayout(NamedTuple):
    """The leaves of a cell's state, by their index in `tree.leaves`.

    Attributes:
        sizes: the number of elements per row of each feature.
        features: the indices of the features (`Cell.features`).
        output: the index of the last output.
    """

    sizes: tuple[int, ...]
    features: tuple[int, ...]
    output: int

    @property
    def inner_sizes(self) -> tuple[int, ...]:
        """The sizes of the features other than the last output, such as c of an LSTM."""
        return tuple(size for size, leaf in zip(self.sizes, self.features, strict=True) if leaf != self.output)


def state_layout(cell: Cell) -> StateLayout:
    """The layout of a cell's state, read from `start` on the meta device.

    Raises:
        PartError: `features` or `output` of the cell returns a tensor that is not a leaf of the state.
    """
    cell = copy.deepcopy(cell).to("meta").eval()
    _, state = cell.start(1, torch.empty(0, device="meta"))
    leaves = [torch.empty_like(leaf) for leaf in tree.leaves(state)]
    state = tree.rebuild(state, leaves)
    indices = {id(leaf): index for index, leaf in enumerate(leaves)}
    features, output = tree.leaves(cell.features(state)), cell.output(state)
    for method, found, allowed in (("features", features, "leaves"), ("output", [output], "a leaf")):
        if any(id(leaf) not in indices for leaf in found):
            raise PartError(f"cell {type(cell).__name__}: {method}(state) must return {allowed} of the state")
    sizes = tuple(leaf.numel() for leaf in features)
    return StateLayout(sizes, tuple(indices[id(leaf)] for leaf in features), indices[id(output)])


def stack_steps(steps: list[Tensor], like: Tensor, size: int) -> Tensor:
    """Stack one `[B, F]` per step to `[B, S, F]`; `[B, 0, size]` if there are no steps."""
    return torch.stack(steps, 1) if steps else like.new_zeros(like.shape[0], 0, size)
