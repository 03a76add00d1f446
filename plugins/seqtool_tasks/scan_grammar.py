"""All commands of SCAN, with their actions, from its grammar (Lake & Baroni 2018, arXiv 1711.00350, figures 6 and 7).

C -> S and S | S after S | S        S -> V twice | V thrice | V
V -> U | U left | U opposite left | U around left | turn left | turn opposite left | turn around left | ... right
U -> walk | look | run | jump
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

PRIMITIVES = ("walk", "look", "run", "jump")
WORDS = (*PRIMITIVES, "turn", "left", "right", "opposite", "around", "twice", "thrice", "and", "after")
ACTIONS = ("I_WALK", "I_LOOK", "I_RUN", "I_JUMP", "I_TURN_LEFT", "I_TURN_RIGHT")
TIMES = {"twice": 2, "thrice": 3}


class Command(NamedTuple):
    """Words, their actions, and for each action the position of the word that names it."""

    words: tuple[str, ...]
    actions: tuple[str, ...]
    places: tuple[int, ...]


@cache
def commands() -> tuple[Command, ...]:
    """The 20,910 commands."""
    clauses = tuple(_clauses())
    joined = (_conjunction(first, word, second) for word in ("and", "after") for first in clauses for second in clauses)
    return (*clauses, *joined)


def _verbs() -> Iterator[Command]:
    """V: 34 phrases of a movement and a direction."""
    for verb in PRIMITIVES:
        yield Command((verb,), (f"I_{verb.upper()}",), (0,))
    for verb in (*PRIMITIVES, "turn"):
        for side in ("left", "right"):
            move = [] if verb == "turn" else [(f"I_{verb.upper()}", 0)]
            near, far = (f"I_TURN_{side.upper()}", 1), (f"I_TURN_{side.upper()}", 2)
            yield _command((verb, side), [near, *move])
            yield _command((verb, "opposite", side), [far, far, *move])
            yield _command((verb, "around", side), [far, *move] * 4)


def _command(words: tuple[str, ...], steps: list[tuple[str, int]]) -> Command:
    actions, places = zip(*steps, strict=True)
    return Command(words, actions, places)


def _clauses() -> Iterator[Command]:
    """S: 102 phrases, a movement once or several times."""
    for words, actions, places in _verbs():
        yield Command(words, actions, places)
        for adverb, times in TIMES.items():
            yield Command((*words, adverb), actions * times, places * times)


def _conjunction(first: Command, word: str, second: Command) -> Command:
    """`first and second`, or `first after second`, whose second clause is executed first."""
    shift = len(first.words) + 1
    parts = [(first.actions, first.places), (second.actions, tuple(place + shift for place in second.places))]
    if word == "after":
        parts.reverse()
    actions, places = (a + b for a, b in zip(*parts, strict=True))
    return Command((*first.words, word, *second.words), actions, places)
