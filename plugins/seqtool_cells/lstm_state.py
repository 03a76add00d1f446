"""The state of an LSTM."""

from typing import NamedTuple

from torch import Tensor


class LSTMState(NamedTuple):
    """The output h and the cell state c of an LSTM, `[B, H]` each."""

    h: Tensor
    c: Tensor
