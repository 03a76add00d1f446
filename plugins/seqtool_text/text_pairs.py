"""String pairs from files: pronunciations, inflections, transliterations, dates."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from seqtool.api import Count, DataPath, Example, ExampleTask, MinLen, PartError, Probability, SeqtoolError, Size, Split
from seqtool_text.corpus import Sides
from seqtool_text.splits import file_corpus, in_vocabulary, parted, require
from seqtool_text.symbols import frequent, vocabulary
from seqtool_text.tables import Layout
from seqtool_text.tokens import Form, Unit, tokenizer

EXAMPLE = str(Path(__file__).parent / "example.tsv")


class TextPairs(ExampleTask):
    """Pairs of a source and a target text, a row of a file each.

    TSV, CSV, JSONL (a line an object or an array) and Parquet, plain or gzip, in UTF-8. A row with another number of
    columns, with bytes that are no UTF-8, with control characters or with an empty side is bad. Blank lines count for
    nothing.

    Equation:
        y_1 ... y_T </s>  from  x_1 ... x_S,  x the tokens of a source, after those of its features

    Source: our own; the conventions of the SIGMORPHON shared tasks (Cotterell et al. 2016, W16-2002) fit it.

    When to use: for data of your own: a file of pairs is enough.

    Args:
        train: the file to train on; relative to the recipe.
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
            space), or what matches the side's pattern ("regex").
        source_pattern, target_pattern: a regular expression for one token; it may leave out white space alone.
        normalization: Unicode's normal form that all texts are brought to.
        lowercase: whether all texts are.
        min_count: symbols that training has less often are unknown.
        unknown: a pair with an unknown symbol: "symbol" writes <unk>, "drop" leaves the pair out, "fail" refuses.
        longest_source, longest_target: pairs with more tokens are left out; null for no limit.
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
        normalization: Form = "NFC",
        lowercase: bool = False,
        min_count: Size = 1,
        unknown: Literal["symbol", "drop", "fail"] = "symbol",
        longest_source: Size | None = None,
        longest_target: Size | None = None,
        bad_rows: Literal["fail", "skip"] = "fail",
        bucket: Size = 16,
    ) -> None:
        self.paths: dict[Split, str | None] = {"train": train, "valid": valid, "test": test}
        self.shares = {"valid": 0.0 if valid else valid_share, "test": 0.0 if valid or test else test_share}
        if sum(self.shares.values()) >= 1:
            raise PartError("validation and test leave nothing to train on", option="valid_share", allowed="less")
        self.split_seed, self.min_count, self.unknown, self.bad_rows = split_seed, min_count, unknown, bad_rows
        self.feature_separator, self.bucket = feature_separator, bucket
        options = ["source_column", "target_column", *("feature_columns" for _ in feature_columns)]
        columns = tuple(zip((source_column, target_column, *feature_columns), options, strict=True))
        self.layout = Layout(format, header, quoted, columns)
        self.source_tokens = tokenizer(source_unit, source_pattern, "source_pattern", normalization, lowercase)
        self.target_tokens = tokenizer(target_unit, target_pattern, "target_pattern", normalization, lowercase)
        self.limits = (longest_source, longest_target)
        self.token_name = {"characters": "character", "words": "word"}.get(target_unit, "token")

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """See `Task.prepare`."""
        if saved is None:
            self._read()
            return
        try:
            self._use(saved["source"], saved["target"], saved["longest_target"], saved["read"])
        except (KeyError, TypeError) as error:
            raise SeqtoolError(f"what the run kept of its text_pairs is not whole: {error}") from error

    def state(self) -> dict[str, Any]:
        """See `Task.state`."""
        source, target = self._symbols
        return {"source": source, "target": target, "longest_target": self.max_target_length - 1, "read": self._counts}

    def encode_source(self, text: str) -> tuple[int, ...]:
        """The ids of a source; its features follow it, one column after the other, each after a tab."""
        fields = text.split("\t")
        wanted = len(self.layout.columns) - 1
        if len(fields) != wanted:
            raise SeqtoolError(f"a source and its features are {wanted} texts parted by tabs; got {len(fields)}")
        try:
            symbols = self._source(fields)
        except ValueError as error:
            raise SeqtoolError(f"{text!r} cannot be a source: {error}") from error
        return self.source_ids(symbols)

    def encode_target(self, text: str) -> tuple[int, ...]:
        """See `Task.encode_target`."""
        try:
            return self.target_ids(self.target_tokens.split(text))
        except ValueError as error:
            raise SeqtoolError(f"{text!r} cannot be a target: {error}") from error

    def decode_target(self, ids: Sequence[int]) -> str:
        """See `Task.decode_target`."""
        target = self.target_vocabulary
        return self.target_tokens.join(target.symbols[i] for i in ids if i not in (target.start, target.end))

    def _source(self, fields: Sequence[str]) -> list[str]:
        """The symbols of a source and its features."""
        tokens = self.source_tokens.split(fields[0])
        for field in fields[:0:-1]:
            parts = [f"+{part.strip()}" for part in field.split(self.feature_separator) if part.strip()]
            tokens[:0] = parts
        return tokens

    def _split_row(self, values: Sequence[str]) -> tuple[list[str], list[str]]:
        return self._source([values[0], *values[2:]]), self.target_tokens.split(values[1])

    def _read(self) -> None:
        sides = Sides(self._split_row, self.limits)
        corpora = {
            split: file_corpus(split, path, self.layout, sides, self.split_seed, self.bad_rows == "skip")
            for split, path in self.paths.items()
            if path
        }
        parts = parted(corpora, self.shares)
        require(len(parts["train"]), "training", "train", "another file, longer limits, smaller shares")
        train = zip(sides.symbols, (parts["train"].source, parts["train"].target), strict=True)
        symbols = [frequent(known, ragged, self.min_count) for known, ragged in train]
        self._use(*symbols, 0, {split: corpus.counts for split, corpus in corpora.items()})
        words = (self.source_vocabulary, self.target_vocabulary)
        self.examples = {
            split: in_vocabulary(split, corpus, sides.symbols, words, self.unknown == "drop")
            for split, corpus in parts.items()
        }
        require(len(self.examples["train"]), "training", "train", "unknown: symbol, or a smaller min_count")
        option = "valid" if self.paths["valid"] else "valid_share"
        require(len(self.examples["valid"]), "validation", option, "another file, or a larger share")
        self.max_target_length = 1 + max(examples.target.longest() for examples in self.examples.values())

    def _use(self, source: list[str], target: list[str], longest: int, counts: dict[str, Any]) -> None:
        """Take up vocabularies."""
        has_unknown = self.unknown == "symbol"
        self._symbols, self._counts = (list(source), list(target)), counts
        self.source_vocabulary = vocabulary(source, has_unknown)
        self.target_vocabulary = vocabulary(target, has_unknown, closed=True)
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.max_target_length = longest + 1
