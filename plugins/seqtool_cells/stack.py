"""A stack of cells. Graves 2013, arXiv 1308.0850; with residual connections: Wu et al. 2016, arXiv 1609.08144."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from seqtool.api import Cell, Depth, Factory, PartError, Tree, last_real


class StackState(NamedTuple):
    """The states of the layers, the lowest first, and with `residual` the output `[B, H]`, else `()`."""

    layers: tuple[Tree, ...]
    output: Tree = ()


class Stack(Cell):
    """Layers of cells as one cell; the input of each layer is the output of the one below.

    Equation:
        h^l = cell_l(x^l);  x^{l+1} = h^l, with `residual` h^l + x^l if their sizes are equal;  output x^{L+1}

    Source: Graves 2013, arXiv 1308.0850, section 2, without skip connections; `residual`: Wu et al. 2016, arXiv
    1609.08144, section 3.1.

    When to use: a deep decoder, since decoders take one cell, or one wrapper around several layers. For a deep encoder
    use the encoder `rnn`, which may be bidirectional. Set `residual` for four layers or more.

    The state is `StackState(layers, output)`. With `residual` the output is not in the state of any layer, so it is
    stored apart, for the queries of decoders; bridges do not write it.

    Args:
        input_size: I, the size of x.
        cell: the cell of every layer; each layer has its own wrapper, if the cell is one such as variational_dropout.
        layers: the number of layers.
        residual: add each layer's input to its output.

    Raises:
        PartError: with `residual`, no layer's output has the size of its input.
    """

    def __init__(self, input_size: int, *, cell: Factory[Cell], layers: Depth = 2, residual: bool = False) -> None:
        super().__init__()
        self.cells = nn.ModuleList()
        self.is_residual: list[bool] = []
        for _ in range(layers):
            layer = cell(input_size)
            self.cells.append(layer)
            self.is_residual.append(residual and layer.output_size == input_size)
            input_size = layer.output_size
        if residual and not any(self.is_residual):
            message = "no layer's output has the size of its input, so nothing can be added"
            raise PartError(message, option="residual", allowed="false, two layers, or equal input and hidden sizes")
        self.output_size = input_size
        self.residual = residual

    def start(self, batch_size: int, like: Tensor) -> tuple[tuple[Tree, ...], StackState]:
        """See `Cell.start`; `fixed` is a tuple with the `fixed` of each layer."""
        fixed, layers = zip(*(layer.start(batch_size, like) for layer in self.cells), strict=True)
        return fixed, StackState(layers, like.new_zeros(batch_size, self.output_size) if self.residual else ())

    def output(self, state: StackState) -> Tensor:
        """See `Cell.output`."""
        output: Tensor = state.output if self.residual else self.cells[-1].output(state.layers[-1])
        return output

    def features(self, state: StackState) -> Tree:
        """See `Cell.features`; those of every layer."""
        return tuple(layer.features(s) for layer, s in zip(self.cells, state.layers, strict=True))

    def step(self, x: Tensor, fixed: tuple[Tree, ...], state: StackState) -> tuple[Tensor, StackState]:
        """See `Cell.step`."""
        return self._apply_layers(x, fixed, state, lambda layer, *given: layer.step(*given))

    def step_masked(
        self, x: Tensor, factors: Tensor, fixed: tuple[Tree, ...], state: StackState
    ) -> tuple[Tensor, StackState]:
        """See `Cell.step_masked`; the factors scale the last output of every layer."""
        return self._apply_layers(x, fixed, state, lambda layer, x, *given: layer.step_masked(x, factors, *given))

    def scale_output(self, state: StackState, factors: Tensor) -> StackState:
        """See `Cell.scale_output`; the last output of every layer, as in `step_masked`."""
        scaled = (layer.scale_output(s, factors) for layer, s in zip(self.cells, state.layers, strict=True))
        return state._replace(layers=tuple(scaled))

    def gates(self, x: Tensor, fixed: tuple[Tree, ...], state: StackState) -> dict[str, Tensor]:
        """See `Cell.gates`; named `layer1.input` and so on, from the lowest layer."""
        found: dict[str, Tensor] = {}

        def step(layer: Cell, *given: Any) -> tuple[Tensor, Tree]:
            number = list(self.cells).index(layer) + 1
            found.update({f"layer{number}.{name}": gate for name, gate in layer.gates(*given).items()})
            return layer.step(*given)

        self._apply_layers(x, fixed, state, step)
        return found

    def unroll(self, x: Tensor, mask: Tensor, fixed: tuple[Tree, ...], state: StackState) -> tuple[Tensor, StackState]:
        """See `Cell.unroll`. Each layer's own `unroll`, from the lowest."""
        x = x.masked_fill(~mask[:, :, None], 0)
        output, new_state = self._apply_layers(x, fixed, state, lambda layer, x, *given: layer.unroll(x, mask, *given))
        if self.residual:
            new_state = new_state._replace(output=last_real(output, mask, state.output))
        return output, new_state

    def _apply_layers(
        self, x: Tensor, fixed: tuple[Tree, ...], state: StackState, function: Callable[..., tuple[Tensor, Tree]]
    ) -> tuple[Tensor, StackState]:
        """`(output, state)` after `function(layer, x, fixed, state)` of each layer, whose x is the output below."""
        states = []
        for layer, residual, *given in zip(self.cells, self.is_residual, fixed, state.layers, strict=True):
            output, layer_state = function(layer, x, *given)
            x = output + x if residual else output
            states.append(layer_state)
        return x, StackState(tuple(states), x if self.residual else ())
