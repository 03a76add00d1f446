"""Reads all files of a task of pairs: subwords are learned, vocabularies are counted, splits get their examples."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from seqtool.api import Examples, Split
from seqtool_text.corpus import split_key
from seqtool_text.frequent_symbols import frequent_symbols, vocabularies
from seqtool_text.pair_reader import PairReader
from seqtool_text.splits import SplitFractions, require, split_corpora, split_examples

Unknown = Literal["symbol", "drop", "fail"]


class ReadResult(NamedTuple):
    """The symbols of both sides, the examples of each split, and the counts of each file."""

    symbols: tuple[list[str], list[str]]
    examples: dict[Split, Examples]
    counts: dict[str, Any]


def read_all(
    paths: Mapping[Split, str], reader: PairReader, fractions: SplitFractions, min_count: int, unknown: Unknown
) -> ReadResult:
    """Read all files.

    Raises:
        PartError: see `PairReader.corpus`; or a split has no examples, or unknown symbols that are not allowed.
    """
    reader.sides.learn(
        lambda: reader.rows("train", paths["train"]), lambda text: fractions.is_training(split_key(text, reader.seed))
    )
    corpora = {split: reader.corpus(split, path) for split, path in paths.items()}
    parts = split_corpora(corpora, fractions)
    train = parts["train"]
    require(len(train.indices), "training", "train", "another file, longer limits, smaller shares")
    pairs = zip(train.corpus.summary.symbols, train.sides(), strict=True)
    source, target = (frequent_symbols(known, rows, min_count) for known, rows in pairs)
    vocabulary_pair = vocabularies((source, target), unknown == "symbol")
    examples = {split: split_examples(split, part, vocabulary_pair, unknown == "drop") for split, part in parts.items()}
    require(len(examples["train"]), "training", "train", "unknown: symbol, or a smaller min_count")
    option = "valid" if "valid" in paths else "valid_share"
    require(len(examples["valid"]), "validation", option, "another file, or a larger share")
    return ReadResult((source, target), examples, {split: corpus.summary.counts for split, corpus in corpora.items()})
