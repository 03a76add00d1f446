"""Layers of cells as one cell. Graves 2013, arXiv 1308.0850; with residual connections: Wu et al. 2016, 1609.08144."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from seqtool.api import Cell, Depth, Factory, PartError, Tensors, last_real


class Stack(Cell):
    """Cells one above the other, each fed the output of the one below, as one cell for encoders and decoders.

    Equation:
        h^l = cell_l(x^l);  x^{l+1} = h^l, with `residual` h^l + x^l where their sizes are equal;  output x^{L+1}

    Source: Graves 2013, arXiv 1308.0850, section 2, without its skips; `residual`: Wu et al. 2016, arXiv 1609.08144,
    section 3.1.

    When to use: a deep decoder, since decoders take one cell; or one wrapper around several layers. An encoder of many
    layers is better had from the encoder `rnn`, which may read both ways. Add `residual` from about four layers on.

    The state holds those of the layers, the lowest first. With `residual` it opens with the output itself, since no
    layer's state holds the sum; nothing but a decoder's query reads it, and no bridge writes it.

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
        self.opening = (input_size,) if residual else ()
        self.state_sizes = self.opening
        self.derived = (0,) if residual else ()
        for layer in self.cells:
            self.derived += tuple(len(self.state_sizes) + index for index in layer.derived)
            self.output_index = 0 if residual else len(self.state_sizes) + layer.output_index
            self.state_sizes += layer.state_sizes
            self.num_fixed += layer.num_fixed

    def start(self, batch_size: int, like: Tensor) -> tuple[Tensors, Tensors]:
        """See `Cell.start`."""
        fixed: Tensors = ()
        state: Tensors = tuple(like.new_zeros(batch_size, size) for size in self.opening)
        for layer in self.cells:
            more_fixed, more_state = layer.start(batch_size, like)
            fixed, state = fixed + more_fixed, state + more_state
        return fixed, state

    def step(self, x: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Cell.step`."""
        return self._climb(x, fixed, state, lambda layer, *given: layer.step(*given))

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Cell.step_masked`; every layer's weights read its own last output times the factors."""
        return self._climb(x, fixed, state, lambda layer, x, *given: layer.step_masked(x, factors, *given))

    def masked_state(self, factors: Tensor, state: Tensors) -> Tensors:
        """See `Cell.masked_state`; every layer's last output is masked, as `step_masked` does."""
        masked, s = state[: len(self.opening)], len(self.opening)
        for layer in self.cells:
            masked += layer.masked_state(factors, state[s : s + len(layer.state_sizes)])
            s += len(layer.state_sizes)
        return masked

    def gates(self, x: Tensor, fixed: Tensors, state: Tensors) -> dict[str, Tensor]:
        """See `Cell.gates`; named `layer1.input` and so on, the lowest layer being the first."""
        found: dict[str, Tensor] = {}

        def look(layer: Cell, *given: Any) -> tuple[Tensor, Tensors]:
            number = list(self.cells).index(layer) + 1
            found.update({f"layer{number}.{name}": gate for name, gate in layer.gates(*given).items()})
            return layer.step(*given)

        self._climb(x, fixed, state, look)
        return found

    def unroll(self, x: Tensor, mask: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Cell.unroll`. Layer by layer, each over the whole sequence in the fastest way that it has."""
        x = x.masked_fill(~mask[:, :, None], 0)
        output, after = self._climb(x, fixed, state, lambda layer, x, *given: layer.unroll(x, mask, *given))
        return output, (last_real(output, mask, state[0]), *after[1:]) if self.opening else after

    def _climb(
        self, x: Tensor, fixed: Tensors, state: Tensors, use: Callable[..., tuple[Tensor, Tensors]]
    ) -> tuple[Tensor, Tensors]:
        """Use every layer on the output of the one below: `(output, state)`."""
        f, s = 0, len(self.opening)
        after: Tensors = ()
        for layer, added in zip(self.cells, self.added, strict=True):
            own = fixed[f : f + layer.num_fixed], state[s : s + len(layer.state_sizes)]
            output, moved = use(layer, x, *own)
            x, after = (output + x if added else output), after + moved
            f, s = f + layer.num_fixed, s + len(layer.state_sizes)
        return x, ((x, *after) if self.opening else after)
