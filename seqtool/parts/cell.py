"""The contract of a cell: one step of a recurrent network."""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.parts import tree
from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated
from seqtool.parts.tree import Tree


class Cell(nn.Module):
    """One step of a recurrent network; the same class serves encoders and decoders.

    A subclass takes `(input_size, *, hidden_size, ...)`, sets `output_size`, and defines `start` and `step`. Its
    `fixed` and `state` are trees of tensors `[B, ...]` (see `seqtool.parts.tree`), of any structure and shape: a tensor
    `h`, `LSTMState(h, c)`, a matrix memory. Every leaf is a tensor of its own. Counters are int64.

    Attributes:
        output_size: H, the size of the output.
        kernels: which kernels compute its methods (see `seqtool.parts.kernel`).
    """

    kind = "cell"
    kernels: Kernels = NO_KERNELS
    output_size: int

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tree]:
        """`(fixed, state)` before the first step, with the dtype and device of `like`.

        `fixed` contains what is drawn once for a sequence (dropout masks); `()` for nothing.
        """
        raise NotImplementedError

    def step(self, x: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """One step: `x [B, I]` -> `(output [B, H], state)`; the state keeps its structure."""
        raise NotImplementedError

    def output(self, state: Tree) -> Tensor:
        """The last output `[B, H]`, a leaf of the state: the first unless overridden."""
        while not isinstance(state, Tensor):
            state = state[0]
        return state

    def features(self, state: Tree) -> Tree:
        """The subtree of the state that queries and bridges use and zoneout mixes: all floating-point leaves."""
        return tuple(leaf for leaf in tree.leaves(state) if leaf.is_floating_point())

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """One step whose weights read the last output times `factors [B, H]`, as recurrent dropout needs it.

        What is carried over to the next state is not multiplied. This form is right for cells that do not carry their
        output over (an LSTM); one that does (a GRU) overrides it.
        """
        return self.step(x, fixed, self.scale_output(state, factors))

    def scale_output(self, state: Tree, factors: Tensor) -> Tree:
        """The state with its last output times `factors [B, H]`."""
        output = self.output(state)
        return tree.map(lambda leaf: leaf * factors if leaf is output else leaf, state)

    def gates(self, x: Tensor, fixed: Tree, state: Tree) -> dict[str, Tensor]:
        """The values of the gates in a `step` from `state`, by name, each `[B, H]` within [0, 1]; `{}` without gates.

        For inspection, one step at a time: `step` and `unroll` do not call it.
        """
        return {}

    @accelerated
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """All steps: `x [B, S, I]`, `mask [B, S]` -> `(outputs [B, S, H], state)`.

        The output at padding is zero, and the state is the one after each row's last real position. In a leaf that
        grows with every step, padding of the row leaves zeros at the end.
        This loop is the definition; a faster form overrides it, and the contract suite compares the two.
        """
        outputs = []
        for x_t, real in zip(x.unbind(1), mask.unsqueeze(2).unbind(1), strict=True):
            output, after = self.step(x_t, fixed, state)
            state = tree.where_real(real, after, state)
            outputs.append(output.masked_fill(~real, 0))
        return stack_steps(outputs, x, self.output_size), state


class StateLayout(NamedTuple):
    """What the leaves of a cell's state are, in the order of `tree.leaves`.

    Attributes:
        sizes: how many numbers each feature has in a row.
        features: which leaves are features.
        output: which leaf is the last output.
    """

    sizes: tuple[int, ...]
    features: tuple[int, ...]
    output: int

    @property
    def inner_sizes(self) -> tuple[int, ...]:
        """The sizes of the features besides the last output: of an LSTM's c."""
        return tuple(size for size, leaf in zip(self.sizes, self.features, strict=True) if leaf != self.output)


def state_layout(cell: Cell) -> StateLayout:
    """The layout of a cell's state, read from its `start` on the meta device."""
    cell = copy.deepcopy(cell).to("meta").eval()
    _, state = cell.start(1, torch.empty(0, device="meta"))
    found = [torch.empty_like(leaf) for leaf in tree.leaves(state)]
    state = tree.rebuild(state, found)
    places = {id(leaf): place for place, leaf in enumerate(found)}
    features = tree.leaves(cell.features(state))
    sizes = tuple(leaf.numel() for leaf in features)
    return StateLayout(sizes, tuple(places[id(leaf)] for leaf in features), places[id(cell.output(state))])


def stack_steps(steps: list[Tensor], like: Tensor, size: int) -> Tensor:
    """`[B, F]` a step -> `[B, S, F]`; `[B, 0, size]` for no step at all."""
    return torch.stack(steps, 1) if steps else like.new_zeros(like.shape[0], 0, size)
