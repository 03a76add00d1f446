"""Initial values of the weights of cells."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

Initialization = Literal["glorot", "glorot_by_gate", "uniform"]
"""glorot: Glorot uniform input weights and orthogonal recurrent weights, over the whole stacked matrix; biases 0.

glorot_by_gate: the same, for each gate's matrix separately. uniform: PyTorch's default, U(-1/sqrt(H), 1/sqrt(H)), with
which an encoder-decoder does not learn the alignment task within its number of steps.
"""


def add_recurrent_parameters(
    cell: nn.Module, input_size: int, hidden_size: int, num_gates: int, initialization: Initialization
) -> None:
    """Give `cell` weight_ih `[G*H, I]`, weight_hh `[G*H, H]`, bias_ih and bias_hh `[G*H]`, as in PyTorch."""
    rows = num_gates * hidden_size
    cell.weight_ih = nn.Parameter(torch.empty(rows, input_size))
    cell.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
    cell.bias_ih = nn.Parameter(torch.zeros(rows))
    cell.bias_hh = nn.Parameter(torch.zeros(rows))
    if initialization == "uniform":
        _fill_uniformly(cell, hidden_size)
        return
    for weight, fill in ((cell.weight_ih, nn.init.xavier_uniform_), (cell.weight_hh, nn.init.orthogonal_)):
        _fill(weight, fill, num_gates, initialization)


def add_input_parameters(
    cell: nn.Module, input_size: int, hidden_size: int, num_gates: int, initialization: Initialization
) -> None:
    """Give `cell`, whose gates depend on the input alone, weight_ih `[G*H, I]` and bias_ih `[G*H]`."""
    cell.weight_ih = nn.Parameter(torch.empty(num_gates * hidden_size, input_size))
    cell.bias_ih = nn.Parameter(torch.zeros(num_gates * hidden_size))
    if initialization == "uniform":
        _fill_uniformly(cell, hidden_size)
    else:
        _fill(cell.weight_ih, nn.init.xavier_uniform_, num_gates, initialization)


def init_candidate_bias(bias: Tensor, hidden_size: int) -> None:
    """Fill the candidate's bias `[H]` of a layer-normalised cell with U(-1/sqrt(H), 1/sqrt(H)) instead of zero.

    With a zero bias, blanks (zero vectors) keep the state at exactly zero, where the slope of layer normalisation is
    1 / sqrt(1e-5) = 316 at every step: after about ten blanks the gradient is not finite.
    """
    nn.init.uniform_(bias, -(hidden_size**-0.5), hidden_size**-0.5)


def _fill_uniformly(cell: nn.Module, hidden_size: int) -> None:
    bound = hidden_size**-0.5
    for parameter in cell.parameters(recurse=False):
        nn.init.uniform_(parameter, -bound, bound)


def _fill(weight: Tensor, fill: Callable[[Tensor], Tensor], num_gates: int, initialization: Initialization) -> None:
    """Apply `fill` to the whole stacked matrix, or to each gate's matrix."""
    by_gate = initialization == "glorot_by_gate"
    blocks: tuple[Tensor, ...] = weight.data.chunk(num_gates) if by_gate else (weight.data,)
    for block in blocks:
        fill(block)
