"""Layers of cells as one cell. Graves 2013, arXiv 1308.0850; with residual connections: Wu et al. 2016, 1609.08144."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from seqtool.api import Cell, Depth, Factory, PartError, Tree, last_real


class StackState(NamedTuple):
    """The states of the layers; the output `[B, H]` of residual layers, `()` without."""

    layers: tuple[Tree, ...]
    output: Tree = ()


class Stack(Cell):
    """Cells one above the other, each fed the output of the one below, as one cell for encoders and decoders.

    Equation:
        h^l = cell_l(x^l);  x^{l+1} = h^l, with `residual` h^l + x^l where their sizes are equal;  output x^{L+1}

    Source: Graves 2013, arXiv 1308.0850, section 2, without its skips; `residual`: Wu et al. 2016, arXiv 1609.08144,
    section 3.1.

    When to use: a deep decoder, since decoders take one cell; or one wrapper around several layers. An encoder of many
    layers is better had from the encoder `rnn`, which may read both ways. Add `residual` from about four layers on.

    The state is `StackState(layers, output)`: the states of the layers, the lowest first, and with `residual` the
    output, which no layer's state contains; only a decoder's query reads it, and no bridge writes it.

    Args:
        input_size: I, the width of x.
        cell: the cell of every layer; a wrapper such as variational_dropout here is one of every layer.
        layers: how many.
        residual: add each layer's input to its output.

    Raises:
        PartError: with `residual`, no layer is as wide as what it is fed.
    """

    def __init__(self, input_size: int, *, cell: Factory[Cell], layers: Depth = 2, residual: bool = False) -> None:
        super().__init__()
        self.cells = nn.ModuleList()
        self.added: list[bool] = []
        for _ in range(layers):
            layer = cell(input_size)
            self.cells.append(layer)
            self.added.append(residual and layer.output_size == input_size)
            input_size = layer.output_size
        if residual and not any(self.added):
            message = "no layer is as wide as what it is fed, so nothing can be added"
            raise PartError(message, option="residual", allowed="false, two layers, or an input as wide as the cell")
        self.output_size = input_size
        self.residual = residual

    def start(self, batch_size: int, like: Tensor) -> tuple[tuple[Tree, ...], StackState]:
        """See `Cell.start`; `fixed` contains those of the layers."""
        fixed, layers = zip(*(layer.start(batch_size, like) for layer in self.cells), strict=True)
        return fixed, StackState(layers, like.new_zeros(batch_size, self.output_size) if self.residual else ())

    def output(self, state: StackState) -> Tensor:
        """See `Cell.output`."""
        output: Tensor = state.output if self.residual else self.cells[-1].output(state.layers[-1])
        return output

    def features(self, state: StackState) -> Tree:
        """See `Cell.features`; those of every layer."""
        return tuple(layer.features(own) for layer, own in zip(self.cells, state.layers, strict=True))

    def step(self, x: Tensor, fixed: tuple[Tree, ...], state: StackState) -> tuple[Tensor, StackState]:
        """See `Cell.step`."""
        return self._climb(x, fixed, state, lambda layer, *given: layer.step(*given))

    def step_masked(
        self, x: Tensor, factors: Tensor, fixed: tuple[Tree, ...], state: StackState
    ) -> tuple[Tensor, StackState]:
        """See `Cell.step_masked`; every layer's weights read its own last output times the factors."""
        return self._climb(x, fixed, state, lambda layer, x, *given: layer.step_masked(x, factors, *given))

    def scale_output(self, state: StackState, factors: Tensor) -> StackState:
        """See `Cell.scale_output`; the last output of every layer, as in `step_masked`."""
        scaled = (layer.scale_output(own, factors) for layer, own in zip(self.cells, state.layers, strict=True))
        return state._replace(layers=tuple(scaled))

    def gates(self, x: Tensor, fixed: tuple[Tree, ...], state: StackState) -> dict[str, Tensor]:
        """See `Cell.gates`; named `layer1.input` and so on, the lowest layer being the first."""
        found: dict[str, Tensor] = {}

        def look(layer: Cell, *given: Any) -> tuple[Tensor, Tree]:
            number = list(self.cells).index(layer) + 1
            found.update({f"layer{number}.{name}": gate for name, gate in layer.gates(*given).items()})
            return layer.step(*given)

        self._climb(x, fixed, state, look)
        return found

    def unroll(self, x: Tensor, mask: Tensor, fixed: tuple[Tree, ...], state: StackState) -> tuple[Tensor, StackState]:
        """See `Cell.unroll`. Layer by layer, each over the whole sequence in the fastest way that it has."""
        x = x.masked_fill(~mask[:, :, None], 0)
        output, after = self._climb(x, fixed, state, lambda layer, x, *given: layer.unroll(x, mask, *given))
        return output, after._replace(output=last_real(output, mask, state.output)) if self.residual else after

    def _climb(
        self,
        x: Tensor,
        fixed: tuple[Tree, ...],
        state: StackState,
        use: Callable[..., tuple[Tensor, Tree]],
    ) -> tuple[Tensor, StackState]:
        """Use every layer on the output of the one below: `(output, state)`."""
        after = []
        for layer, added, *own in zip(self.cells, self.added, fixed, state.layers, strict=True):
            output, moved = use(layer, x, *own)
            x = output + x if added else output
            after.append(moved)
        return x, StackState(tuple(after), x if self.residual else ())
