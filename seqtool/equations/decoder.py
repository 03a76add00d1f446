"""Decoders: one step. What is fed, what asks, and what is read out."""

import math
from collections.abc import Callable
from typing import TypeVar

from seqtool.equations.attention import Attend
from seqtool.equations.vectors import Matrix, Vector, each, joined, times

State = TypeVar("State")
Step = Callable[[Vector, State], tuple[Vector, State]]
"""(x, state) -> (output s, state), as a cell does."""


def plain(step: Step[State], y: Vector, state: State, *, repeated: Vector) -> tuple[Vector, State]:
    """s_i = cell([y_{i-1}; z], s_{i-1}), z the encoder's final states, or nothing

    Sutskever et al. 2014, arXiv 1409.3215; with z: Cho et al. 2014, arXiv 1406.1078, section 2.2.
    """
    return step(joined(y, repeated), state)


def attend_before(
    step: Step[State], attend: Attend, y: Vector, s: Vector, state: State
) -> tuple[Vector, Vector, State]:
    """c_i = attention(s_{i-1});  s_i = cell([y_{i-1}; c_i], s_{i-1}). Returns (s_i, weights, state)

    Bahdanau et al. 2015, arXiv 1409.0473, section 3.1.
    """
    context, weights = attend(s)
    output, state = step(joined(y, context), state)
    return output, weights, state


def attend_after(
    step: Step[State], attend: Attend, y: Vector, fed: Vector, state: State, *, w: Matrix
) -> tuple[Vector, Vector, State]:
    """s_i = cell([y_{i-1}; h~_{i-1}], s_{i-1});  c_i = attention(s_i);  h~_i = tanh(W [c_i; s_i])

    Luong et al. 2015, arXiv 1508.04025, eq. 5, and section 3.3 for h~_{i-1}, which is `fed`, or nothing.
    Returns (h~_i, weights, state).
    """
    output, state = step(joined(y, fed), state)
    context, weights = attend(output)
    return each(math.tanh, times(w, joined(context, output))), weights, state
