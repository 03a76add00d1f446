"""Encoders: a source -> its memory."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from seqtool.equations.vectors import Matrix, Vector, joined

State = TypeVar("State")
Step = Callable[[Vector, State], tuple[Vector, State]]
"""(x, state) -> (output, state), as a cell does."""


def encode(step: Step[State], source: Sequence[Vector], state: State) -> tuple[Matrix, State]:
    """h_j = cell(x_j, h_{j-1}). Returns (all h, the last state)

    Sutskever et al. 2014, arXiv 1409.3215.
    """
    memory = []
    for x in source:
        output, state = step(x, state)
        memory.append(output)
    return memory, state


def bidirectional(
    forward: Step[State], backward: Step[State], source: Sequence[Vector], state: State
) -> tuple[Matrix, State, State]:
    """h_j = [forward h_j; backward h_j], the backward one reads x_S, ..., x_j. Returns (all h, both last states)

    Schuster & Paliwal 1997; Bahdanau et al. 2015, arXiv 1409.0473, section 3.2.
    """
    ahead, last = encode(forward, source, state)
    behind, first = encode(backward, source[::-1], state)
    return [joined(a, b) for a, b in zip(ahead, behind[::-1], strict=True)], last, first
