"""String pairs from files: pronunciations, inflections, transliterations, dates."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Literal

from seqtool.api import Count, DataPath, Example, ExampleTask, MinLen, Probability, SeqtoolError, Size, Split
from seqtool_text.frequent_symbols import vocabularies
from seqtool_text.pair_data import Unknown, read_all
from seqtool_text.pair_reader import PairReader
from seqtool_text.side_tokenizer import side_tokenizer
from seqtool_text.sides import Sides
from seqtool_text.splits import SplitFractions
from seqtool_text.subwords import Model
from seqtool_text.tables import Layout
from seqtool_text.tokenizer import NormalForm, Unit

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
EXAMPLE = str(Path(__file__).parent / "example.tsv")


class TextPairs(ExampleTask):
    """Pairs of a source and a target text, one per row of a file.

    TSV, CSV, JSONL (objects or arrays) and Parquet, plain or gzip, in UTF-8. Blank lines are skipped. A row is bad if
    the number of columns differs, it is not UTF-8, it contains control characters, or a side is empty.

    Equation:
        y_1 ... y_T </s>  from  x_1 ... x_S,  x: the symbols of the features, then the tokens of the source

    Source: our own; supports the conventions of the SIGMORPHON shared tasks (Cotterell et al. 2016, W16-2002).

    When to use: for your own data in a file of pairs.

    Args:
        train: the training file, relative to the recipe; or a data set of the Hugging Face hub: hub://NAME.
        valid: the validation file; null for a part of the training file.
        test: the test file; null for a part of the training file, or for none if `valid` is a file.
        valid_share, test_share: the fraction of the training file's sources that a split without a file gets. The split
            of a source depends only on its text and `split_seed`, so that equal sources are in the same split.
        split_seed: the seed of the random splits.
        format: "auto" uses the file's name: .tsv or .txt, .csv, .jsonl or .ndjson, .parquet, each also with .gz.
        header: whether the first line of a TSV or CSV file contains the names of its columns.
        quoted: whether fields may be in double quotes; null: only in CSV.
        source_column, target_column: a name, or a number from 1.
        feature_columns: columns whose values, such as morphological tags, become symbols before the source.
        feature_separator: the separator between the features of a column.
        source_unit, target_unit: tokens are "characters" (graphemes), "words" (separated by white space),
            matches of the side's pattern ("regex"), or "subwords", learned from the training pairs.
        source_pattern, target_pattern: a regular expression for one token; only white space may remain unmatched.
        source_end: whether every source ends with the symbol </s>, to which attention can move after the last token.
        source_subwords, target_subwords: with the unit "subwords", their number, including single characters.
        subword_model: "bpe" repeatedly merges the most frequent pair, "unigram" keeps the most probable subwords.
        normalization: the Unicode normal form of all texts.
        lowercase: whether to convert all texts to lower case.
        min_count: symbols that occur less often in the training pairs are unknown.
        unknown: unknown symbols: "symbol" replaces them by <unk>, "drop" skips the pair, "fail" is an error.
        longest_source, longest_target: pairs with more tokens are skipped, with a warning; null: no limit.
        bad_rows: "fail" is an error that lists the first of them, "skip" skips them; task.json has their number.
        bucket: the number of batches that are sorted by length together, to reduce padding; at most a sixteenth of an
            epoch.

    Raises:
        PartError: options that contradict one another.
    """

    ending = "eos"

    def __init__(
        self,
        *,
        train: Annotated[DataPath, Example(EXAMPLE)],
        valid: Annotated[DataPath, Example(EXAMPLE)] | None = None,
        test: Annotated[DataPath, Example(EXAMPLE)] | None = None,
        valid_share: Probability = 0.1,
        test_share: Probability = 0.1,
        split_seed: Count = 0,
        format: Literal["auto", "tsv", "csv", "jsonl", "parquet"] = "auto",
        header: bool = False,
        quoted: bool | None = None,
        source_column: Size | str = 1,
        target_column: Size | str = 2,
        feature_columns: tuple[Size | str, ...] = (),
        feature_separator: Annotated[str, MinLen(1)] = ";",
        source_unit: Unit = "characters",
        target_unit: Unit = "characters",
        source_pattern: Annotated[str, Example(r"\w+|\W")] | None = None,
        target_pattern: Annotated[str, Example(r"\w+|\W")] | None = None,
        source_end: bool = False,
        source_subwords: Size | None = None,
        target_subwords: Size | None = None,
        subword_model: Model = "bpe",
        normalization: NormalForm = "NFC",
        lowercase: bool = False,
        min_count: Size = 1,
        unknown: Unknown = "symbol",
        longest_source: Size | None = None,
        longest_target: Size | None = None,
        bad_rows: Literal["fail", "skip"] = "fail",
        bucket: Size = 16,
    ) -> None:
        named = zip(SPLITS, (train, valid, test), strict=True)
        self.paths: dict[Split, str] = {split: path for split, path in named if path is not None}
        self.fractions = SplitFractions(0.0 if valid else valid_share, 0.0 if valid or test else test_share)
        self.min_count, self.unknown, self.bucket = min_count, unknown, bucket
        options = ("source_column", "target_column", *["feature_columns"] * len(feature_columns))
        columns = tuple(zip((source_column, target_column, *feature_columns), options, strict=True))
        shared = (subword_model, normalization, lowercase)
        self.source_tokens = side_tokenizer("source", source_unit, source_pattern, source_subwords, *shared)
        self.target_tokens = side_tokenizer("target", target_unit, target_pattern, target_subwords, *shared)
        parts = (self.source_tokens, self.target_tokens)
        self.sides = Sides(*parts, feature_separator, (longest_source, longest_target), source_end)
        self.reader = PairReader(Layout(format, header, quoted, columns), self.sides, split_seed, bad_rows == "skip")
        self.token_name = {"characters": "character", "words": "word"}.get(target_unit, "token")

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """See `Task.prepare`."""
        super().prepare(saved)
        if saved is not None:
            try:
                self.sides.restore(saved.get("subwords", {}))
                self._use((saved["source"], saved["target"]), saved["read"], saved["longest_target"])
            except (KeyError, TypeError, AttributeError) as error:
                raise SeqtoolError(f"the state of text_pairs saved in the run is damaged: {error}") from error
            return
        read = read_all(self.paths, self.reader, self.fractions, self.min_count, self.unknown)
        self._use(read.symbols, read.counts, max(some.target.longest() for some in read.examples.values()))
        self.examples = read.examples

    def state(self) -> dict[str, Any]:
        """See `Task.state`."""
        (source, target), longest, learned = self._symbols, self.max_target_length - 1, self.sides.state()
        plain = {"source": source, "target": target, "longest_target": longest, "read": self._counts}
        return super().state() | plain | ({"subwords": learned} if learned else {})

    def source_symbols(self, text: str) -> list[str]:
        """See `Task.source_symbols`. The feature columns follow the source, each after a tab."""
        return self.sides.parse_source(text, len(self.reader.layout.columns) - 1)

    def decode_source(self, ids: Sequence[int]) -> str:
        """See `Task.decode_source`. The features of all columns follow the source, after one tab."""
        symbols = self.source_vocabulary.names(ids)
        marked = (symbol.startswith("+") and len(symbol) > 1 for symbol in symbols)
        count = sum(1 for _ in takewhile(bool, marked)) if len(self.reader.layout.columns) > 2 else 0
        features = self.sides.separator.join(symbol[1:] for symbol in symbols[:count])
        return self.source_tokens.join(symbols[count:]) + (f"\t{features}" if features else "")

    def encode_target(self, text: str) -> tuple[int, ...]:
        """See `Task.encode_target`."""
        return self.target_ids(self.sides.parse_target(text))

    def decode_target(self, ids: Sequence[int]) -> str:
        """See `Task.decode_target`."""
        target = self.target_vocabulary
        return self.target_tokens.join(target.symbols[i] for i in ids if i not in (target.start, target.end))

    def _use(self, symbols: tuple[list[str], list[str]], counts: dict[str, Any], longest: int) -> None:
        """Set the vocabularies and what depends on them."""
        self._symbols, self._counts = (list(symbols[0]), list(symbols[1])), counts
        self.source_vocabulary, self.target_vocabulary = vocabularies(self._symbols, self.unknown == "symbol")
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.max_target_length = longest + 1
