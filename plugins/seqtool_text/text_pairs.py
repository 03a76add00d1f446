"""String pairs from files: pronunciations, inflections, transliterations, dates."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from seqtool.api import Count, DataPath, Example, ExampleTask, MinLen, Probability, SeqtoolError, Size, Split
from seqtool_text.frequent_symbols import vocabularies
from seqtool_text.pair_data import Unknown, read_all
from seqtool_text.pair_files import Reading
from seqtool_text.sides import Sides
from seqtool_text.splits import Shares
from seqtool_text.subwords import Model
from seqtool_text.tables import Layout
from seqtool_text.tokens import Form, Unit
from seqtool_text.units import tokens

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
EXAMPLE = str(Path(__file__).parent / "example.tsv")


class TextPairs(ExampleTask):
    """Pairs of a source and a target text, a row of a file each.

    TSV, CSV, JSONL (a line an object or an array) and Parquet, plain or gzip, in UTF-8. Blank lines count for nothing.
    A row is bad with another number of columns, bytes that are no UTF-8, control characters or an empty side.

    Equation:
        y_1 ... y_T </s>  from  x_1 ... x_S,  x the tokens of a source, after those of its features

    Source: our own; the conventions of the SIGMORPHON shared tasks (Cotterell et al. 2016, W16-2002) fit it.

    When to use: for data of your own: a file of pairs is enough.

    Args:
        train: the file to train on, relative to the recipe; or a data set of the Hugging Face hub: hub://NAME.
        valid: the file to validate on; null to take a share of the training file.
        test: the test file; null for none, or a share of the training file where validation has one too.
        valid_share, test_share: the share of a file's sources that a split gets which has no file. Equal sources go to
            one split; which, follows from the text and `split_seed` alone.
        split_seed: another number is another split.
        format: "auto" goes by the file's name: .tsv or .txt, .csv, .jsonl or .ndjson, .parquet, each also with .gz.
        header: whether the first line of a TSV or CSV file names its columns.
        quoted: whether fields may stand in double quotes; null for CSV alone.
        source_column, target_column: a name, or a number from 1.
        feature_columns: columns whose values, an inflection's tags for example, become symbols before the source.
        feature_separator: what parts the features of one column.
        source_unit, target_unit: tokens are "characters" (as readers count them, graphemes), "words" (between white
            space), what matches the side's pattern ("regex"), or "subwords" that are learnt from the training pairs.
        source_pattern, target_pattern: a regular expression for one token; it may leave out white space alone.
        source_subwords, target_subwords: with the unit "subwords", how many are learnt, its characters among them.
        subword_model: "bpe" joins frequent neighbours again and again, "unigram" keeps the most probable pieces.
        normalization: Unicode's normal form that all texts are brought to.
        lowercase: whether all texts are.
        min_count: symbols that training has less often are unknown.
        unknown: a pair with an unknown symbol: "symbol" writes <unk>, "drop" leaves the pair out, "fail" refuses.
        longest_source, longest_target: pairs with more tokens are left out, with a warning; null for no limit.
        bad_rows: "fail" names the first of them, "skip" leaves them out; task.json has their number.
        bucket: so many batches are sorted by length together, so that they have little padding.

    Raises:
        PartError: options that cannot go together.
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
        source_subwords: Size | None = None,
        target_subwords: Size | None = None,
        subword_model: Model = "bpe",
        normalization: Form = "NFC",
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
        self.shares = Shares(0.0 if valid else valid_share, 0.0 if valid or test else test_share)
        self.min_count, self.unknown, self.bucket = min_count, unknown, bucket
        options = ("source_column", "target_column", *["feature_columns"] * len(feature_columns))
        columns = tuple(zip((source_column, target_column, *feature_columns), options, strict=True))
        shared = (subword_model, normalization, lowercase)
        self.source_tokens = tokens("source", source_unit, source_pattern, source_subwords, *shared)
        self.target_tokens = tokens("target", target_unit, target_pattern, target_subwords, *shared)
        parts = (self.source_tokens, self.target_tokens)
        self.sides = Sides(*parts, feature_separator, (longest_source, longest_target))
        self.reading = Reading(Layout(format, header, quoted, columns), self.sides, split_seed, bad_rows == "skip")
        self.token_name = {"characters": "character", "words": "word"}.get(target_unit, "token")

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """See `Task.prepare`."""
        super().prepare(saved)
        if saved is not None:
            try:
                self.sides.restore(saved.get("subwords", {}))
                self._use((saved["source"], saved["target"]), saved["read"], saved["longest_target"])
            except (KeyError, TypeError, AttributeError) as error:
                raise SeqtoolError(f"what the run kept of its text_pairs is not whole: {error}") from error
            return
        read = read_all(self.paths, self.reading, self.shares, self.min_count, self.unknown)
        self._use(read.symbols, read.counts, max(some.target.longest() for some in read.examples.values()))
        self.examples = read.examples

    def state(self) -> dict[str, Any]:
        """See `Task.state`."""
        (source, target), longest, learnt = self._symbols, self.max_target_length - 1, self.sides.state()
        plain = {"source": source, "target": target, "longest_target": longest, "read": self._counts}
        return super().state() | plain | ({"subwords": learnt} if learnt else {})

    def encode_source(self, text: str) -> tuple[int, ...]:
        """The ids of a source; its features follow it, one column after the other, each after a tab."""
        return self.source_ids(self.sides.typed(text, len(self.reading.layout.columns) - 1))

    def encode_target(self, text: str) -> tuple[int, ...]:
        """See `Task.encode_target`."""
        return self.target_ids(self.sides.typed_target(text))

    def decode_target(self, ids: Sequence[int]) -> str:
        """See `Task.decode_target`."""
        target = self.target_vocabulary
        return self.target_tokens.join(target.symbols[i] for i in ids if i not in (target.start, target.end))

    def _use(self, symbols: tuple[list[str], list[str]], counts: dict[str, Any], longest: int) -> None:
        """Take up vocabularies."""
        self._symbols, self._counts = (list(symbols[0]), list(symbols[1])), counts
        self.source_vocabulary, self.target_vocabulary = vocabularies(self._symbols, self.unknown == "symbol")
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.max_target_length = longest + 1
