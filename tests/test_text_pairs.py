"""Pairs from files: formats, refused data, and the state stored in a run."""

import csv
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from seqtool.api import Batch, Examples, PartError, Ragged, SeqtoolError, Split
from seqtool.build.assembly import assemble
from seqtool.recipe import load_recipe
from seqtool.registry import discover
from seqtool.runs import RunDirectory
from seqtool.testing import CONTRACTS, check_task, example_options, variations
from seqtool_text.lines import MAX_LINE_BYTES
from seqtool_text.text_pairs import EXAMPLE, TextPairs
from seqtool_text.tokenizer import NormalForm, normalize

PAIRS = [(f"say {word} {n}", f"{word[::-1]}{n}") for n in range(9) for word in ("ab", "bcd", "dab")]
ROOT = Path(__file__).parent.parent


def made(path: Path | str, **options: Any) -> TextPairs:
    task = TextPairs(train=str(path), **options)
    task.prepare()
    return task


def whole(path: Path | str, **options: Any) -> TextPairs:
    """A task with the whole file in each split, in the file's order."""
    return made(path, valid=str(path), **options)


def texts(task: TextPairs, split: Split = "valid") -> list[tuple[str, str]]:
    """The pairs of a split, decoded from its batches."""
    found = []
    for k in range(task.num_batches(split, 8) or 0):
        batch = task.batch(split, k, seed=0, rank=0, batch_size=8, device=torch.device("cpu"))
        for i in range(len(batch)):
            symbols = [task.source_vocabulary.symbols[j] for j in batch.source[i][batch.source_mask[i]].tolist()]
            target = task.decode_target(batch.target[i][batch.target_mask[i]].tolist())
            found.append((task.source_tokens.join(symbols), target))
    return found


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_example_keeps_the_contract() -> None:
    check_task(partial(TextPairs, train=EXAMPLE))


@pytest.mark.filterwarnings("ignore:.* skipped:UserWarning")
def test_it_keeps_the_contract_with_other_options() -> None:
    base = example_options(TextPairs)

    def contract(options: dict[str, Any]) -> Any:
        return CONTRACTS["task"](partial(TextPairs, **options))

    changed = set()
    for change in variations(TextPairs, lambda options: contract(options).part()):
        contract(base | change).check()
        changed.update(change)
    assert {"source_unit", "source_pattern", "valid", "test", "bucket", "unknown", "quoted"} <= changed


def test_sources_can_have_an_end_symbol(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("ab\tx\nb\ty\nabc\tz\n")
    with pytest.warns(UserWarning, match="line 3"):
        task = whole(path, source_end=True, longest_source=2)
    names = task.source_vocabulary.symbols
    batch = task.batch("valid", 0, seed=0, rank=0, batch_size=2, device=torch.device("cpu"))
    rows = zip(batch.source.tolist(), batch.source_mask.sum(1).tolist(), strict=True)
    found = [[names[i] for i in row[:length]] for row, length in rows]
    assert found == [["a", "b", "</s>"], ["b", "</s>"]]
    assert [names[i] for i in task.encode_source("ba")] == ["b", "a", "</s>"]
    assert "</s>" not in whole(path).source_vocabulary.symbols


def tsv(path: Path) -> None:
    path.write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS))


def quoted_csv(path: Path) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(PAIRS)


def named_csv(path: Path) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("n", "to", "from"), *((i, b, a) for i, (a, b) in enumerate(PAIRS))])


def objects(path: Path) -> None:
    path.write_text("".join(json.dumps({"to": b, "more": [1], "from": a}) + "\n" for a, b in PAIRS))


def arrays(path: Path) -> None:
    path.write_text("\n".join(json.dumps([a, b]) for a, b in PAIRS))


def table(path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    a, b = zip(*PAIRS, strict=True)
    parquet.write_table(pyarrow.table({"n": range(len(a)), "to": b, "from": a}), path)


NAMES = {"source_column": "from", "target_column": "to"}
FORMATS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a.tsv": (tsv, {}),
    "a.txt": (tsv, {}),
    "a.data": (tsv, {"format": "tsv"}),
    "a.csv": (quoted_csv, {}),
    "b.csv": (named_csv, {"header": True, **NAMES}),
    "c.csv": (named_csv, {"header": True, "source_column": 3, "target_column": 2}),
    "a.jsonl": (objects, NAMES),
    "b.jsonl": (arrays, {}),
    "a.parquet": (table, NAMES),
    "b.parquet": (table, {"source_column": 3}),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_gives_the_same_pairs(name: str, packed: bool, tmp_path: Path) -> None:
    write, options = FORMATS[name]
    path = tmp_path / name
    write(path)
    if packed:
        if write is table:
            return
        path = written(tmp_path / f"{name}.gz", gzip.compress(path.read_bytes(), mtime=0))
        options = {"format": "tsv", **options} if name == "a.data" else options
    assert texts(whole(path, **options)) == PAIRS


def test_tsv_is_unquoted_by_default(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", '"a"\tb"b\r\n\n"c ""d"""\te\n'.replace('b"b', "bb"))
    assert texts(whole(path)) == [('"a"', "bb"), ('"c ""d"""', "e")]
    assert texts(whole(path, quoted=True)) == [("a", "bb"), ('c "d"', "e")]


def test_a_byte_order_mark_and_line_separators_of_unicode(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", "\ufeffa\u2028b\tc\n")
    pytest.importorskip("regex")
    assert texts(whole(path)) == [("a\u2028b", "c")]


def test_byte_order_marks_anywhere_are_no_symbols(tmp_path: Path) -> None:
    """Concatenated files have them within, and so have the columns of joined files."""
    lines = "\ufeffa b\tc\n\ufeffd\t\ufeffe f\n"
    task = whole(written(tmp_path / "a.tsv", lines), source_unit="words", target_unit="words")
    assert texts(task) == [("a b", "c"), ("d", "e f")]
    assert task.encode_source("\ufeffa b") == task.encode_source("a b")
    quoted = written(tmp_path / "a.csv", '\ufeff"a,b",c\n\ufeff"d",e\n')
    assert texts(whole(quoted)) == [("a,b", "c"), ("d", "e")]


def test_utf_16_is_named(tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"cannot read .*: it is UTF-16, not UTF-8"):
        whole(written(tmp_path / "a.tsv", "a\tb\n".encode("utf-16")))


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """Data are read several times: what was read of a pipe once would be missing later."""
    os.mkfifo(tmp_path / "a.tsv")
    for options in ({}, {"source_unit": "subwords", "source_subwords": 50}):
        with pytest.raises(PartError, match=r"cannot read .*a.tsv': it is a pipe or a device"):
            made(tmp_path / "a.tsv", **options)


def test_a_field_of_csv_may_be_as_long_as_a_line(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    long = "a" * (MAX_LINE_BYTES - 10)
    assert texts(whole(written(tmp_path / "a.csv", f'"{long}",b\nc,d\n'), source_unit="words"))[0] == (long, "b")
    assert csv.field_size_limit() == limit


def test_sources_are_decoded(tmp_path: Path) -> None:
    task = whole(
        written(tmp_path / "a.tsv", "walk+\tV;PST\twalked\ngo\tV\twent\n"), feature_columns=(2,), target_column=3
    )
    for (source, _), text in zip(task.examples["train"], ("walk+\tV;PST", "go\tV"), strict=True):
        assert task.decode_source(source) == text
        assert task.encode_source(text) == source


@pytest.mark.parametrize("kind", ["dictionary", "string_view", "large_string"])
def test_text_columns_of_parquet(kind: str, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    types = {"dictionary": lambda: pyarrow.dictionary(pyarrow.int8(), pyarrow.string())}
    column = pyarrow.array(["a", "b", "a"]).cast(types.get(kind, getattr(pyarrow, kind))())
    parquet.write_table(pyarrow.table({"x": column, "y": column}), tmp_path / "a.parquet")
    assert texts(whole(tmp_path / "a.parquet")) == [("a", "a"), ("b", "b"), ("a", "a")]


ALL_CHARACTERS = [
    chr(i) for i in range(0x80, sys.maxunicode + 1) if unicodedata.category(chr(i)) not in ("Cc", "Cs", "Cn", "Co")
]


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("form", get_args(NormalForm))
def test_normalization_is_a_fixed_point(form: NormalForm, lowercase: bool) -> None:
    """For all of Unicode, and for the capital of each composed letter, which need not be composed itself."""
    capitals = [unicodedata.normalize("NFD", one).upper() for one in ALL_CHARACTERS]
    once = normalize("|".join(ALL_CHARACTERS + capitals), form, lowercase)
    assert normalize(once, form, lowercase) == once
    assert form == "none" or unicodedata.is_normalized(form, once)


def test_the_two_cases_of_a_letter_are_one_symbol(tmp_path: Path) -> None:
    """The capital has no precomposed form: its lower case has to be composed."""
    pytest.importorskip("regex")
    task = whole(written(tmp_path / "a.tsv", "J\u030cab\tx\n\u01f0ab\ty\n"), lowercase=True)
    assert texts(task) == [("\u01f0ab", "x"), ("\u01f0ab", "y")]
    assert task.encode_source("J\u030cab") == task.encode_source("\u01f0ab")


def test_features_and_splits_use_normalized_texts(tmp_path: Path) -> None:
    """Else equal sources are in different splits, and the form of a typed feature decides whether it is known."""
    pytest.importorskip("regex")
    words = [f"{letter}{i}" for letter in ("é", "E\u0301", "e\u0301") for i in range(40)]
    rows = "".join(f"{word}\t{word}\tcafe\u0301\n" for word in words)
    task = made(written(tmp_path / "a.tsv", rows), lowercase=True, valid_share=0.3, feature_columns=(3,))
    assert task.encode_source("é1\tcafé") == task.encode_source("E\u03011\tcafe\u0301")
    train, valid = ({source for source, _ in texts(task, split)} for split in ("train", "valid"))
    assert valid
    assert not train & valid


@pytest.mark.parametrize(
    ("options", "source", "target"),
    [
        ({}, ("o", "é", " ", "🇫🇷", "x"), ("각", "n̈", "O")),
        ({"normalization": "none"}, ("o", "é", " ", "🇫🇷", "x"), ("각", "n̈", "O")),
        ({"normalization": "NFD", "lowercase": True}, ("o", "e\u0301", " ", "🇫🇷", "x"), ("각", "n̈", "o")),
        ({"source_unit": "words"}, ("oé", "🇫🇷x"), ("각", "n̈", "O")),
        ({"source_unit": "regex", "source_pattern": r"\w+|\S"}, ("oé", "🇫", "🇷", "x"), ("각", "n̈", "O")),
    ],
)
def test_tokens(options: dict[str, Any], source: tuple[str, ...], target: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("regex")
    path = written(tmp_path / "a.tsv", "oe\u0301 🇫🇷x\t\u1100\u1161\u11a8n\u0308O\n")
    task = whole(path, **options)
    if options.get("normalization") == "none":
        source = tuple("e\u0301" if token == "é" else token for token in source)
    form = options.get("normalization", "NFC")
    wanted = [unicodedata.normalize(form, token) if form != "none" else token for token in target]
    if form == "none":
        wanted[0] = "\u1100\u1161\u11a8"
    assert set(task.source_vocabulary.symbols[:-1]) == set(source)
    assert set(task.target_vocabulary.symbols[:-3]) == set(wanted)
    assert [task.source_vocabulary.symbols[i] for i in task.encode_source("oe\u0301 🇫🇷x")] == list(source)


def test_ascii_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqtool_text import tokenizer

    tokenizer._graphemes.cache_clear()
    monkeypatch.setitem(sys.modules, "regex", None)
    path = written(tmp_path / "a.tsv", "a b\tc\n")
    assert texts(whole(path)) == [("a b", "c")]
    with pytest.raises(SeqtoolError, match=r"pip install 'seqtool\[text\]'"):
        whole(written(tmp_path / "b.tsv", "é\tc\n"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PartError, match=r"pip install 'seqtool\[text\]'"):
        whole(written(tmp_path / "b.parquet", "PAR1"))


def test_features_precede_the_source(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", "walk\twalked\tV;PST\ten\nV\tVs\tN;PL\ten\n")
    task = whole(path, feature_columns=(3, 4))
    ids = task.encode_source("walk\tV;PST\ten")
    assert [task.source_vocabulary.symbols[i] for i in ids] == ["+V", "+PST", "+en", "w", "a", "l", "k"]
    assert task.examples["valid"].source.padded(torch.tensor([0]))[0].tolist() == [list(ids)]
    with pytest.raises(SeqtoolError, match="3 texts separated by tabs; got 1"):
        task.encode_source("walk")


def test_an_invalid_source_is_refused() -> None:
    task = made(EXAMPLE, unknown="fail")
    assert task.encode_source("two") == tuple(task.source_vocabulary.symbols.index(letter) for letter in "two")
    with pytest.raises(SeqtoolError, match=r"the source vocabulary has no 'z'"):
        task.encode_source("zero")
    with pytest.raises(SeqtoolError, match=r"control character U\+0007"):
        task.encode_source("t\a")
    unknown = made(EXAMPLE)
    assert unknown.source_vocabulary.symbols[unknown.encode_source("zero")[0]] == "<unk>"


BAD = {
    b"a": "1 column instead of 2",
    b"a\tb\tc": "3 columns instead of 2",
    b"a\t": "the target is empty",
    b" \tb": "the source is empty",
    b"a\xff\tb": "not UTF-8: the byte 0xff at position 2",
    b"a\x00\tb": "the control character U+0000",
    b"a\rb\tb": "the control character U+000D",
    b"\xff\xfea\x00\t\x00b\x00": "not UTF-8: the byte 0xff at position 1",
    b"a" * (MAX_LINE_BYTES + 5) + b"\tb": "longer than 1,048,576 bytes",
    b"<s>\tb": "the token '<s>', which is reserved",
}


@pytest.mark.parametrize("row", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_bad_row_is_named_by_file_and_line(row: bytes, end: bytes, tmp_path: Path) -> None:
    path = written(tmp_path / "d.tsv", b"x y\tz\n\n" + row + b"\nu\tv\n" + row + end)
    options = {"source_unit": "words"}
    with pytest.raises(PartError) as caught:
        whole(path, **options)
    fault = BAD[row]
    assert str(caught.value) == f"d.tsv has 2 bad rows of 4: line 3: {fault}; line 5: {fault}"
    assert caught.value.option == "train"
    with pytest.warns(UserWarning, match="d.tsv has 2 bad rows of 4: line 3: .*; they are skipped"):
        task = whole(path, **options, bad_rows="skip")
    assert texts(task) == [("x y", "z"), ("u", "v")]
    assert task.state()["read"]["train"] == {"rows": 4, "bad": 2, "too_long": 0}


@pytest.mark.parametrize(
    ("name", "row", "fault"),
    [
        ("a.csv", '"a,b', "invalid quotes"),
        ("a.csv", '"a"b,c', "invalid quotes"),
        ("a.jsonl", "{", "not JSON"),
        ("a.jsonl", "[" * 100_000, "not JSON"),
        ("a.jsonl", '["a"]', "it has no item 2"),
        ("a.jsonl", '{"a": "b"}', "it has no item 1"),
        ("a.jsonl", '["a", 1]', "2 is not text"),
        ("a.jsonl", '["a", "\\ud800"]', r"the control character U\+D800"),
        ("a.jsonl", "7", "it has no item 1"),
    ],
)
def test_bad_rows_of_other_formats(name: str, row: str, fault: str, tmp_path: Path) -> None:
    good = "a,b" if name == "a.csv" else '["a", "b"]'
    path = written(tmp_path / name, f"{good}\n{row}\n{good}\n")
    with pytest.raises(PartError, match=f"1 bad row of 3: line 2: .*{fault}"):
        whole(path)


@pytest.mark.parametrize(
    ("name", "content", "options", "option", "words"),
    [
        ("a.tsv", "", {}, "train", "no training examples"),
        ("a.tsv", "\n\n", {}, "train", "no training examples"),
        ("a.tsv", "a\n", {}, "target_column", "there is no column 2: the first row of a.tsv has 1 column"),
        ("a.tsv", "a\tb\n", {"source_column": "a"}, "source_column", "the column 'a' is a name, but header is false"),
        ("a.tsv", "a\tb\n", {"source_column": "c", "header": True}, "source_column", "a.tsv has no column called 'c'"),
        ("a.tsv", "a\ta\n", {"source_column": "a", "header": True}, "source_column", "has several columns called 'a'"),
        ("a.tsv", "a\tb\n", {"header": True}, "train", "no training examples"),
        ("a.xyz", "a\tb\n", {}, "train", "does not determine its format"),
        ("a.tsv.gz", b"\x1f\x8bxxxx", {}, "train", "cannot read"),
        ("a.tsv.gz", gzip.compress(b"a\tb\n" * 999, mtime=0)[:-9], {}, "train", "cannot read"),
        ("a.parquet", b"PAR1 and no more", {}, "train", "cannot read .* as Parquet"),
        ("a.jsonl", '["a", "b"]', {"header": True}, "header", "header does not apply to jsonl"),
        ("a.tsv", "a\tb\n", {"valid": None, "valid_share": 0.6, "test_share": 0.4}, "valid_share", "leave no pairs"),
        ("a.tsv", "a\tb\n", {"valid": None, "valid_share": 0.0}, "valid_share", "no validation examples"),
        ("a.tsv", "a\tb\n", {"longest_target": 1, "min_count": 2, "unknown": "fail"}, "unknown", "in line 1"),
        ("a.tsv", "abc\tb\n", {"longest_source": 2}, "longest_source", "1 pair of 1 with more than 2 source"),
        ("a.tsv", "a\tb\n", {"source_pattern": "a"}, "source_pattern", "requires the unit regex"),
        ("a.tsv", "a\tb\n", {"target_unit": "regex"}, "target_pattern", "is required by the unit regex"),
        (
            "a.tsv",
            "a\tb\n",
            {"source_unit": "regex", "source_pattern": "("},
            "source_pattern",
            "not a regular expression",
        ),
        ("a.tsv", "ab\tb\n", {"source_unit": "regex", "source_pattern": "a"}, "train", "the pattern does not match"),
    ],
)
def test_invalid_options_are_refused(
    name: str, content: str | bytes, options: dict[str, Any], option: str, words: str, tmp_path: Path
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = written(tmp_path / name, content)
    with pytest.raises(PartError, match=words) as caught:
        made(path, **{"valid": str(path), **options})
    assert caught.value.option == option


@pytest.mark.parametrize("name", ["none.tsv", "", "a\0b.tsv"])
def test_missing_files(name: str, tmp_path: Path) -> None:
    paths: dict[str, dict[str, Any]] = {option: {"train": EXAMPLE} for option in ("train", "valid", "test")}
    for option, options in paths.items():
        with pytest.raises(PartError, match="cannot read") as caught:
            TextPairs(**options | {option: str(tmp_path / name)}, format="tsv").prepare()
        assert caught.value.option == option


def test_the_split_depends_on_source_and_seed(tmp_path: Path) -> None:
    pairs = [(f"w{i % 400}", f"p{i}") for i in range(1000)]
    path = written(tmp_path / "a.tsv", "".join(f"{a}\t{b}\n" for a, b in pairs))
    splits: list[Split] = ["train", "valid", "test"]

    def parts(**options: Any) -> list[list[tuple[str, str]]]:
        task = made(path, bucket=1, **options)
        return [read(task, split) for split in splits]

    first = parts()
    assert sorted(pair for part in first for pair in part) == sorted(pairs)
    sources = [{a for a, _ in part} for part in first]
    assert not sources[0] & sources[1]
    assert not sources[1] & sources[2]
    assert not sources[0] & sources[2]
    assert [len(part) for part in sources] == pytest.approx([320, 40, 40], abs=25)
    assert parts() == first
    assert parts(split_seed=1)[1] != first[1]
    assert set(parts(test_share=0.0)[1]) == set(first[1]), "the validation split does not change without a test split"
    assert [a for a, _ in first[1]] != sorted(a for a, _ in first[1]), "the sample of a sorted file is not sorted"
    path.write_text("".join(sorted(path.read_text().splitlines(keepends=True))))
    assert [set(part) for part in parts()] == [set(part) for part in first], "the order of the file has no effect"


def read(task: TextPairs, split: Split) -> list[tuple[str, str]]:
    examples = task.examples[split]
    batch: Batch = examples.batch(torch.arange(len(examples)), None)
    words = [task.source_vocabulary.symbols, task.target_vocabulary.symbols]
    rows = zip(batch.source, batch.source_mask, batch.target, batch.target_mask, strict=True)
    return [
        ("".join(words[0][i] for i in a[m].tolist()), "".join(words[1][i] for i in b[n].tolist()))
        for a, m, b, n in rows
    ]


def test_separate_files_for_splits(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{name}.tsv", f"{name}\t{name}{name}\n") for name in ("ab", "a", "b")]
    task = made(paths[0], valid=str(paths[1]), test=str(paths[2]))
    assert [read(task, split) for split in ("train", "valid", "test")] == [
        [("ab", "abab")],
        [("a", "aa")],
        [("b", "bb")],
    ]
    assert read(made(paths[0], valid=str(paths[1])), "test") == []


def test_unknown_symbols(tmp_path: Path) -> None:
    train = written(tmp_path / "a.tsv", "ab\tx\naa\tx\nab\ty\n")
    valid = written(tmp_path / "b.tsv", "ac\tx\nab\tx\n")
    task = made(train, valid=str(valid))
    assert task.source_vocabulary.symbols == ("a", "b", "<unk>")
    assert read(task, "valid") == [("a<unk>", "x"), ("ab", "x")]
    with pytest.raises(PartError, match="unknown symbols in 1 valid pairs, the first in line 1") as caught:
        made(train, valid=str(valid), unknown="fail")
    assert caught.value.option == "unknown"
    with pytest.warns(UserWarning, match="unknown symbols in 1 valid pairs"):
        task = made(train, valid=str(valid), unknown="drop")
    assert read(task, "valid") == [("ab", "x")]
    assert task.state()["read"]["valid"]["unknown"] == 1
    rare = made(train, valid=str(valid), min_count=2)
    assert rare.target_vocabulary.symbols == ("x", "<unk>", "</s>", "<s>")
    assert read(rare, "train")[2] == ("ab", "<unk>")


def test_long_pairs_are_omitted_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", "ab\tx\nabc\tx\nab\txyz\na\txy\n")
    told = "a.tsv has 2 pairs of 4 with more than 2 source or 2 target tokens: lines 2, 3; they are skipped"
    with pytest.warns(UserWarning, match="a.tsv has 2 pairs") as caught:
        task = whole(path, longest_source=2, longest_target=2)
    assert [str(warning.message) for warning in caught] == [told, told], "once for each split's file"
    assert read(task, "valid") == [("ab", "x"), ("a", "xy")]
    assert task.state()["read"]["train"] == {"rows": 4, "bad": 0, "too_long": 2}
    assert task.max_target_length == 3


def test_incomplete_task_state_is_refused() -> None:
    task = TextPairs(train=EXAMPLE)
    for broken in ({}, {"source": 1}, {**made(EXAMPLE).state(), "longest_target": "x"}):
        with pytest.raises(SeqtoolError, match="is damaged"):
            task.prepare(broken)


RECIPE = """\
seqtool: 1
name: pairs
task: {type: text_pairs, train: numbers.tsv}
model:
  embedding: {type: learned, embedding_size: 8}
  encoder: {type: rnn, cell: {type: gru, hidden_size: 8}}
  decoder: {type: attend_before, cell: {type: gru, hidden_size: 8}, attention: {scorer: additive}, bridge: linear}
train: {steps: 20, batch_size: 16, validate_every: 10, log_every: 1, accelerator: cpu}
"""


Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(call: Callable[..., tuple[int, str, str]]) -> Call:
    """A seqtool command in this process."""
    return lambda *arguments: subprocess.CompletedProcess(arguments, *call(*arguments, "-p", "seqtool_text"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    shutil.copy(EXAMPLE, tmp_path / "numbers.tsv")
    return written(tmp_path / "pairs.yaml", RECIPE)


def test_a_run_predicts_without_its_data(recipe: Path, tmp_path: Path, command: Call) -> None:
    done = command("run", recipe, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    before = made(EXAMPLE)
    (tmp_path / "numbers.tsv").unlink()
    (tmp_path / "out").rename(tmp_path / "moved")
    directory = RunDirectory.open(tmp_path / "moved")
    registry = discover(modules=["seqtool_text"])
    (variant,) = load_recipe(directory.resolved("default"), registry=registry).variants.values()
    assembly = assemble(variant, 0, saved=directory.read_task("default"))
    assert assembly.task.encode_source("forty") == before.encode_source("forty")
    assert assembly.task.target_vocabulary == before.target_vocabulary
    state = torch.load(directory.seed("default", 0).last_checkpoint, weights_only=True)["state_dict"]
    assembly.model.load_state_dict({name.removeprefix("model."): value for name, value in state.items()})
    source = torch.tensor([assembly.task.encode_source("forty")])
    found = assembly.search.search(assembly.model, source, torch.ones_like(source, dtype=torch.bool), 4)
    assert assembly.task.decode_target(found.ids[0, 0][found.mask[0, 0]].tolist()).isdigit()


def test_resuming_in_the_middle_of_an_epoch(recipe: Path, tmp_path: Path, command: Call) -> None:
    def figures(folder: Path) -> list[dict[str, str]]:
        with open(folder / "default/seed0/metrics.csv", newline="") as file:
            return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]

    straight = command("run", recipe, "--out", tmp_path / "straight")
    assert straight.returncode == 0, straight.stderr
    shutil.copytree(tmp_path / "straight", tmp_path / "broken")
    seed = tmp_path / "broken/default/seed0"
    checkpoint = command("run", recipe, "--out", tmp_path / "short", "--set", "train.steps=10")
    assert checkpoint.returncode == 0, checkpoint.stderr
    (seed / "result.json").unlink()
    shutil.copy(tmp_path / "short/default/seed0/last.ckpt", seed / "last.ckpt")
    saved = torch.load(seed / "last.ckpt", weights_only=True)
    whole_run = torch.load(tmp_path / "straight/default/seed0/last.ckpt", weights_only=True)
    saved["seqtool"] = whole_run["seqtool"]
    for state in saved["callbacks"].values():
        if "finished" in state:
            state["finished"] = False
    torch.save(saved, seed / "last.ckpt")
    done = command("run", "--resume", tmp_path / "broken")
    assert done.returncode == 0, done.stderr
    assert figures(tmp_path / "broken") == figures(tmp_path / "straight")


def test_changed_data_are_refused_when_resuming(recipe: Path, tmp_path: Path, command: Call) -> None:
    assert command("run", recipe, "--out", tmp_path / "out").returncode == 0
    (tmp_path / "out/default/seed0/result.json").unlink()
    (tmp_path / "numbers.tsv").write_text((tmp_path / "numbers.tsv").read_text() + "zero\t0\n" * 50)
    done = command("run", "--resume", tmp_path / "out")
    assert done.returncode == 1
    assert "have changed since" in done.stderr
    assert "Traceback" not in done.stderr


def test_each_split_has_a_digest_of_its_rows() -> None:
    task, read = made(EXAMPLE), made(EXAMPLE)
    digests = task.state()["examples"]
    assert len(set(digests.values())) == 3
    assert digests == read.state()["examples"]
    for split, some in task.examples.items():
        sides = (some.source, some.target)
        rows = [[side.padded(torch.tensor([i]))[0][0].tolist() for i in range(len(side))] for side in sides]
        assert Examples(*map(Ragged.of, rows)).digest() == digests[split]


def test_reordered_pairs_are_refused(recipe: Path, tmp_path: Path, command: Call) -> None:
    assert command("run", recipe, "--out", tmp_path / "out").returncode == 0
    before = command("evaluate", tmp_path / "out", "--split", "test")
    assert before.returncode == 0, before.stderr
    (tmp_path / "out/default/seed0/result.json").unlink()
    lines = (tmp_path / "numbers.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "numbers.tsv").write_text("".join(reversed(lines)))
    for words in (("run", "--resume", tmp_path / "out"), ("evaluate", tmp_path / "out", "--split", "test")):
        done = command(*words)
        assert done.returncode == 1
        assert "have changed since" in done.stderr
        assert "examples" in done.stderr
        assert "Traceback" not in done.stderr


def test_paths_are_relative_to_the_recipe(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = discover(modules=["seqtool_text"])

    def path(*overrides: str) -> str:
        (variant,) = load_recipe(recipe, registry=registry, overrides=overrides).variants.values()
        return str(variant.data["task"]["train"])

    assert path() == str(tmp_path / "numbers.tsv")
    monkeypatch.chdir(tmp_path.parent)
    assert path("task.train=some.tsv") == str(tmp_path.parent / "some.tsv")
    assert path("task.train=/some.tsv") == "/some.tsv"


def test_bad_data_are_reported_at_their_position_in_the_recipe(recipe: Path, tmp_path: Path, command: Call) -> None:
    (tmp_path / "numbers.tsv").write_text("a\tb\nc\n")
    done = command("run", recipe, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "pairs.yaml:3:33: task.train: numbers.tsv has 1 bad row of 2: line 2: 1 column" in done.stderr
    assert "allowed: valid rows; bad_rows: skip" in done.stderr
    assert not (tmp_path / "out").exists()


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A file with a random fault."""
    lines = content.split(b"\n")
    place = chance.randrange(len(lines))
    byte = chance.randrange(len(content))
    kind = chance.randrange(12)
    if kind == 0:
        return content[:byte] + bytes([chance.randrange(256)]) + content[byte + 1 :]
    if kind == 1:
        return content[:byte]
    if kind == 2:
        return content.decode().encode(chance.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig"]), "replace")
    if kind == 3:
        return content[:byte] + bytes([chance.randrange(32)]) + content[byte:]
    if kind == 4:
        return content.replace(b"\n", chance.choice([b"\r\n", b"\r", b"\n\n", b""]))
    if kind == 5:
        return b"" if chance.random() < 0.5 else bytes(chance.randrange(256) for _ in range(300))
    if kind == 6:
        lines[place] = lines[place] * 40_000
    elif kind == 7:
        lines[place] = chance.choice([b"", b"\t", b'"', b"{", b"[]", b"null", b"\0", b"\xed\xa0\x80", b"</s>\t</s>"])
    elif kind == 8:
        lines[place] = lines[place].replace(chance.choice([b"\t", b",", b'"', b"}"]), b"")
    elif kind == 9:
        lines.insert(place, chance.choice([b"a\tb\tc", b"a,b,c", b'{"from": 1, "to": "x"}', b'["x"]']))
    elif kind == 10:
        packed = gzip.compress(content, mtime=0)
        return packed[: chance.randrange(len(packed))]
    else:
        packed = bytearray(gzip.compress(content, mtime=0))
        packed[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        return bytes(packed)
    return b"\n".join(lines)


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "b.csv", "a.jsonl", "b.jsonl", "a.parquet"])
@pytest.mark.filterwarnings("ignore:.* skipped:UserWarning")
def test_mutated_files_give_an_error_or_counted_omissions(name: str, tmp_path: Path) -> None:
    write, options = FORMATS[name]
    path = tmp_path / name
    write(path)
    content, chance = path.read_bytes(), random.Random(name)
    outcomes = {"read": 0, "skipped": 0, "refused": 0}
    for _ in range(170):
        if write is table:
            byte = chance.randrange(len(content))
            damage = content[:byte] + (bytes([chance.randrange(256)]) + content[byte + 1 :]) * (chance.random() < 0.8)
        else:
            damage = mutated(content, chance)
        path.write_bytes(damage)
        try:
            task = whole(path, **options, bad_rows="skip")
        except SeqtoolError:
            outcomes["refused"] += 1
        else:
            counts = task.state()["read"]["train"]
            assert counts["bad"] + len(task.examples["train"]) == counts["rows"]
            outcomes["skipped" if counts["bad"] else "read"] += 1
            texts(task)
    assert outcomes["refused"] > 5
    assert write is table or outcomes["skipped"] > 5, outcomes


@pytest.mark.slow
def test_two_million_pairs_within_two_gigabytes(tmp_path: Path) -> None:
    code = (
        "import random, resource, sys, torch\n"
        "from seqtool_text.text_pairs import TextPairs\n"
        "r, path = random.Random(0), sys.argv[1]\n"
        "with open(path, 'w') as file:\n"
        "    for _ in range(2_000_000):\n"
        "        word = ''.join(r.choices('abcdefghijklmnopqrstuvwxyz', k=r.randint(4, 14)))\n"
        "        file.write(f'{word}\\t{word[::-1].upper()}\\n')\n"
        "task = TextPairs(train=path)\n"
        "task.prepare()\n"
        "for k in range(50):\n"
        "    task.batch('train', k, seed=0, rank=0, batch_size=64, device=torch.device('cpu'))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "big.tsv")]
    environment = os.environ | {"SEQTOOL_CACHE": str(tmp_path)}
    peaks = []
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=True)
        peaks.append(int(done.stdout))
    assert max(peaks) < 2 * 2**20, "kilobytes"
    assert len(list((tmp_path / "pairs").iterdir())) == 1
