"""Decoders: one step. What is fed, what asks, and what is read out; of those that copy, the probabilities."""

import math
from collections.abc import Callable
from typing import TypeVar

from seqtool.equations.attention import Attend
from seqtool.equations.vectors import Matrix, Vector, each, joined, scaled, times

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


def attend_inside(
    first: Step[State], second: Step[State], attend: Attend, y: Vector, state: State
) -> tuple[Vector, Vector, State]:
    """s'_i = cell_1(y_{i-1}, s_{i-1});  c_i = attention(s'_i);  s_i = cell_2(c_i, s'_i). Returns (s_i, weights, state)

    Sennrich et al. 2017, arXiv 1703.04357, section 4.
    """
    asking, state = first(y, state)
    context, weights = attend(asking)
    output, state = second(context, state)
    return output, weights, state


def attend_only(attend: Attend, y: Vector) -> tuple[Vector, Vector]:
    """c_i = attention(y_{i-1}). Returns (c_i, weights)

    Raffel & Ellis 2015, arXiv 1512.08756, section 2, where the scores look at the memory alone.
    """
    return attend(y)


def pointer(weights: Vector, source: list[int], size: int) -> Vector:
    """p(y) = sum over j with x_j = y of a_j, over what is pointed at symbols at all

    Vinyals et al. 2015, arXiv 1506.03134, section 2.3; Kadlec et al. 2016, arXiv 1603.01547, eq. 2.
    `source` holds target ids, -1 where a position stands for none; `size` is how many target ids there are.
    """
    shares = [sum(a for a, x in zip(weights, source, strict=True) if x == y) for y in range(size)]
    return scaled(1 / max(sum(shares), 1e-9), shares)


def pointer_generator(p_gen: float, generated: Vector, weights: Vector, source: list[int]) -> Vector:
    """p(y) = p_gen p_vocab(y) + (1 - p_gen) sum over j with x_j = y of a_j

    See et al. 2017, arXiv 1704.04368, eq. 9; `source` as for `pointer`.
    """
    copied = pointer(weights, source, len(generated))
    return [p_gen * own + (1 - p_gen) * copy for own, copy in zip(generated, copied, strict=True)]
