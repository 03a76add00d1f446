"""Decoders: one step; for the pointer decoders, the probabilities of the target ids."""

import math
from collections.abc import Callable
from typing import TypeVar

from seqtool.equations.attention import Attend
from seqtool.equations.vectors import Matrix, Vector, apply, concatenate, scale, times

State = TypeVar("State")
Step = Callable[[Vector, State], tuple[Vector, State]]
"""A cell: (x, state) -> (output s, state)."""


def plain(step: Step[State], y: Vector, state: State, *, repeated: Vector) -> tuple[Vector, State]:
    """s_i = cell([y_{i-1}; z], s_{i-1}), z the final states of the encoder, or empty

    Sutskever et al. 2014, arXiv 1409.3215; with z: Cho et al. 2014, arXiv 1406.1078, section 2.2.
    """
    return step(concatenate(y, repeated), state)


def attend_before(
    step: Step[State], attend: Attend, y: Vector, s: Vector, state: State
) -> tuple[Vector, Vector, State]:
    """c_i = attention(s_{i-1});  s_i = cell([y_{i-1}; c_i], s_{i-1}). Returns (s_i, weights, state)

    Bahdanau et al. 2015, arXiv 1409.0473, section 3.1.
    """
    context, weights = attend(s)
    output, state = step(concatenate(y, context), state)
    return output, weights, state


def attend_after(
    step: Step[State], attend: Attend, y: Vector, fed: Vector, state: State, *, w: Matrix
) -> tuple[Vector, Vector, State]:
    """s_i = cell([y_{i-1}; h~_{i-1}], s_{i-1});  c_i = attention(s_i);  h~_i = tanh(W [c_i; s_i])

    Luong et al. 2015, arXiv 1508.04025, eq. 5, and section 3.3 for h~_{i-1}, which is `fed`, or empty.
    Returns (h~_i, weights, state).
    """
    output, state = step(concatenate(y, fed), state)
    context, weights = attend(output)
    return apply(math.tanh, times(w, concatenate(context, output))), weights, state


def attend_inside(
    first: Step[State], second: Step[State], attend: Attend, y: Vector, state: State
) -> tuple[Vector, Vector, State]:
    """s'_i = cell_1(y_{i-1}, s_{i-1});  c_i = attention(s'_i);  s_i = cell_2(c_i, s'_i). Returns (s_i, weights, state)

    Sennrich et al. 2017, arXiv 1703.04357, section 4.
    """
    query, state = first(y, state)
    context, weights = attend(query)
    output, state = second(context, state)
    return output, weights, state


def attend_only(attend: Attend, y: Vector) -> tuple[Vector, Vector]:
    """c_i = attention(y_{i-1}). Returns (c_i, weights)

    Raffel & Ellis 2015, arXiv 1512.08756, section 2, where the scores depend on the memory alone.
    """
    return attend(y)


def pointer(weights: Vector, source: list[int], size: int) -> Vector:
    """p(y) = sum_{j: x_j = y} a_j,  divided by the sum of a_j over all j with a target id

    Vinyals et al. 2015, arXiv 1506.03134, section 2.3; Kadlec et al. 2016, arXiv 1603.01547, eq. 2.
    `source` holds the target id of each position, or -1; `size` is the number of target ids.
    """
    weight = [sum(a for a, x in zip(weights, source, strict=True) if x == y) for y in range(size)]
    return scale(1 / max(sum(weight), 1e-9), weight)


def pointer_generator(p_gen: float, generated: Vector, weights: Vector, source: list[int]) -> Vector:
    """p(y) = p_gen p_vocab(y) + (1 - p_gen) p_copy(y),  p_copy by `pointer`

    See et al. 2017, arXiv 1704.04368, eq. 9; `source` as for `pointer`.
    """
    copied = pointer(weights, source, len(generated))
    return [p_gen * own + (1 - p_gen) * copy for own, copy in zip(generated, copied, strict=True)]
