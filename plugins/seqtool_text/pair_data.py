"""All that a task of pairs reads: its files, what is learnt from them, vocabularies and examples."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from seqtool.api import Examples, Split
from seqtool_text.corpus import chance
from seqtool_text.frequent_symbols import frequent, vocabularies
from seqtool_text.pair_files import Reading
from seqtool_text.splits import Shares, in_vocabulary, parted, require

Unknown = Literal["symbol", "drop", "fail"]


class Read(NamedTuple):
    """What was read: the symbols of both sides, the examples, and the counts of each file."""

    symbols: tuple[list[str], list[str]]
    examples: dict[Split, Examples]
    counts: dict[str, Any]


def read_all(paths: Mapping[Split, str], reading: Reading, shares: Shares, min_count: int, unknown: Unknown) -> Read:
    """Read all files.

    Raises:
        PartError: see `Reading.corpus`; a split has no examples, or unknown symbols that are not to be.
    """
    reading.sides.learn(
        lambda: reading.rows("train", paths["train"]), lambda text: shares.trains(chance(text, reading.seed))
    )
    corpora = {split: reading.corpus(split, path) for split, path in paths.items()}
    parts = parted(corpora, shares)
    train = parts["train"]
    require(len(train.places), "training", "train", "another file, longer limits, smaller shares")
    pairs = zip(train.corpus.notes.symbols, train.sides(), strict=True)
    source, target = (frequent(known, rows, min_count) for known, rows in pairs)
    words = vocabularies((source, target), unknown == "symbol")
    examples = {split: in_vocabulary(split, part, words, unknown == "drop") for split, part in parts.items()}
    require(len(examples["train"]), "training", "train", "unknown: symbol, or a smaller min_count")
    option = "valid" if "valid" in paths else "valid_share"
    require(len(examples["valid"]), "validation", option, "another file, or a larger share")
    return Read((source, target), examples, {split: corpus.notes.counts for split, corpus in corpora.items()})
