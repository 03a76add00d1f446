"""Pairs with learnt subwords, from data sets of the hub, and through Arrow files."""

import gzip
import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from seqtool.api import PartError, SeqtoolError
from seqtool.recipe import load_recipe
from seqtool_text import pair_reader
from seqtool_text.arrow import read_arrow
from seqtool_text.subwords import SPACE, Subwords
from seqtool_text.text_pairs import TextPairs

CHANCE = random.Random(0)
WORDS = ["".join(CHANCE.choices("abcdeéß한😀", k=CHANCE.randint(1, 7))) for _ in range(200)]
TEXTS = [" ".join(CHANCE.choices(WORDS, k=CHANCE.randint(1, 5))) for _ in range(400)]
MODELS = ["bpe", "unigram"]


def table(path: Path, pairs: list[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{a}\t{b}\n" for a, b in pairs))
    return path


def made(path: Path | str, **options: Any) -> TextPairs:
    task = TextPairs(train=str(path), **options)
    task.prepare()
    return task


def texts(task: TextPairs, split: Any = "train") -> list[tuple[list[str], str]]:
    """Each example of a split: source symbols and target text."""
    examples, names = task.examples[split], task.source_vocabulary.symbols
    batch = examples.batch(torch.arange(len(examples)), None)
    rows = zip(batch.source, batch.source_mask, batch.target, batch.target_mask, strict=True)
    return [([names[i] for i in a[m]], task.decode_target(b[n].tolist())) for a, m, b, n in rows]


def subwords(model: Any, size: int = 120, **options: Any) -> Subwords:
    return Subwords(model, size, options.get("form", "NFC"), options.get("lowercase", False), "source_subwords")


@pytest.mark.parametrize("model", MODELS)
def test_subwords_restore_their_texts(model: str) -> None:
    pytest.importorskip("tokenizers")
    learnt = subwords(model)
    learnt.learn(TEXTS)
    again = subwords(model)
    again.restore(json.loads(json.dumps(learnt.state())))
    for text in [*TEXTS, "  a  b ", "unseen ZQ ½", "\u00a0", " "]:
        pieces = learnt.split(text)
        assert learnt.join(pieces) == text
        assert "".join(pieces) == text.replace(" ", SPACE)
        assert again.split(text) == pieces
        assert all(SPACE not in piece.lstrip(SPACE) for piece in pieces), "none spans the end of a word"
    used = {piece for text in TEXTS for piece in learnt.split(text)}
    assert max(map(len, used)) > 2
    assert len(used) < 120
    characters = sum(map(len, TEXTS))
    assert sum(len(learnt.split(text)) for text in TEXTS) < 0.8 * characters


def test_the_first_merge_of_bpe_is_the_most_frequent_pair() -> None:
    pytest.importorskip("tokenizers")
    learnt = subwords("bpe", 5)  # <unk>, a, b, c and one more
    learnt.learn(["abc"] * 3 + ["ab"] * 2 + ["bc"] * 3)
    assert learnt.split("abc") == ["a", "bc"], "bc stands six times, ab five times"


@pytest.mark.parametrize("model", MODELS)
def test_two_processes_learn_the_same(model: str) -> None:
    pytest.importorskip("tokenizers")
    code = (
        "import json, sys\nfrom seqtool_text.subwords import Subwords\n"
        "one = Subwords(sys.argv[1], 120, 'NFC', False, 'x')\none.learn(json.load(sys.stdin))\n"
        "print(json.dumps(one.state()))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code, model], input=json.dumps(TEXTS), capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert found[0] == found[1]


def test_subwords_of_a_task(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    pairs = [(text, text[::-1]) for text in TEXTS]
    options = {"source_unit": "subwords", "target_unit": "subwords", "source_subwords": 90, "target_subwords": 80}
    task = made(table(tmp_path / "a.tsv", pairs), subword_model="unigram", **options)
    for split in ("train", "valid", "test"):
        for source, target in texts(task, split):
            assert "".join(source).replace(SPACE, " ")[::-1] == target
    assert len(task.source_vocabulary) <= 90
    saved = json.loads(json.dumps(task.state()))
    (tmp_path / "a.tsv").unlink()
    loaded = TextPairs(train=str(tmp_path / "a.tsv"), subword_model="unigram", **options)
    loaded.prepare(saved)
    assert loaded.encode_source(TEXTS[0]) == task.encode_source(TEXTS[0])
    assert loaded.target_vocabulary == task.target_vocabulary
    for broken in ({}, {"source": {}, "target": {}}, None):
        with pytest.raises(SeqtoolError, match="damaged"):
            loaded.prepare(saved | {"subwords": broken})


def test_subwords_are_learnt_only_from_training_pairs(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    path = table(tmp_path / "a.tsv", [(f"{word} xyz", "a") for word in WORDS])
    kept = made(path, valid_share=0.4, test_share=0.3)
    trained = {"".join(source) for source, _ in texts(kept)}
    table(tmp_path / "b.tsv", [(f"{word} xyz", "a") for word in WORDS if f"{word} xyz" in trained])
    options = {"source_unit": "subwords", "source_subwords": 60}
    task = made(path, valid_share=0.4, test_share=0.3, **options)
    alone = made(tmp_path / "b.tsv", valid=str(tmp_path / "b.tsv"), **options)
    assert task.state()["subwords"] == alone.state()["subwords"]
    valid = made(tmp_path / "b.tsv", valid=str(path), **options)
    assert valid.state()["subwords"] == alone.state()["subwords"]


def test_characters_not_in_training_are_unknown(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    task = made(
        table(tmp_path / "a.tsv", [("ab ab", "x")] * 3),
        valid=str(table(tmp_path / "b.tsv", [("ab qb", "x")])),
        source_unit="subwords",
        source_subwords=20,
    )
    (pair,) = texts(task, "valid")
    assert "<unk>" in pair[0]
    with pytest.raises(PartError, match="the character U\\+2581"):
        made(table(tmp_path / "c.tsv", [("ab ▁", "x")]), source_unit="subwords", source_subwords=20)


@pytest.mark.parametrize("model", MODELS)
def test_too_few_subwords(model: str, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    path = table(tmp_path / "a.tsv", [(text, "x") for text in TEXTS])
    with pytest.raises(PartError) as caught:
        made(path, source_unit="subwords", source_subwords=4, subword_model=model)
    assert caught.value.option == "source_subwords"
    with pytest.raises(PartError, match="no training examples"):
        made(table(tmp_path / "b.tsv", []), source_unit="subwords", source_subwords=4, subword_model=model)
    with pytest.raises(PartError, match="cannot read"):
        made(tmp_path / "none.tsv", source_unit="subwords", source_subwords=4, subword_model=model)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"source_unit": "subwords"}, "source_subwords"),
        ({"target_subwords": 100}, "target_subwords"),
        ({"target_unit": "subwords", "target_subwords": 100, "target_pattern": "a"}, "target_pattern"),
    ],
)
def test_incompatible_options_are_refused(options: dict[str, Any], option: str) -> None:
    with pytest.raises(PartError) as caught:
        TextPairs(train="a.tsv", **options)
    assert caught.value.option == option


@pytest.mark.parametrize(
    ("module", "options", "extra"),
    [
        ("tokenizers", {"source_unit": "subwords", "source_subwords": 50}, "subwords"),
        ("datasets", {"train": "hub://some/name"}, "hub"),
    ],
)
def test_extras_that_are_not_installed(
    module: str, options: dict[str, Any], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    path = table(tmp_path / "a.tsv", [("a", "b")])
    with pytest.raises(SeqtoolError, match=rf"pip install 'seqtool\[{extra}\]'"):
        TextPairs(**{"train": str(path)} | options).prepare()


ROWS = [{"translation": {"de": f"wort {word}", "en": f"word {word}"}, "n": i} for i, word in enumerate(WORDS)]
NESTED = {"source_column": "translation.de", "target_column": "translation.en"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder as on the hub: one file per split, without a script."""
    datasets = pytest.importorskip("datasets")
    folder = tmp_path_factory.mktemp("hub")
    for name, some in (("train", ROWS[:150]), ("validation", ROWS[150:180]), ("test", ROWS[180:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield folder


def test_a_data_set_by_name(hub: Path) -> None:
    name = f"hub://{hub}"
    task = TextPairs(train=name, valid=name, test=name, **NESTED)
    task.prepare()
    for split, some in (("train", ROWS[:150]), ("valid", ROWS[150:180]), ("test", ROWS[180:])):
        pairs = [("".join(source), target) for source, target in texts(task, split)]
        assert pairs == [(row["translation"]["de"], row["translation"]["en"]) for row in some]  # type: ignore[index]
    part = TextPairs(train=name, valid=f"{name}?split=train[:7]", **NESTED)
    part.prepare()
    assert len(part.examples["valid"]) == 7


def test_a_data_set_from_save_to_disk(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_dict({"a": WORDS, "b": [word[::-1] for word in WORDS], "n": list(range(len(WORDS)))})
    whole.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": whole}).save_to_disk(str(tmp_path / "all"))
    for name in ("one", "all"):
        task = made(f"hub://{tmp_path / name}")
        assert len(task.examples["train"]) + len(task.examples["valid"]) + len(task.examples["test"]) == len(WORDS)
        assert all(target == "".join(source)[::-1] for source, target in texts(task))
    with pytest.raises(PartError, match=r"has no split 'test'") as caught:
        made(f"hub://{tmp_path / 'all'}", test=f"hub://{tmp_path / 'all'}")
    assert caught.value.option == "test"
    with pytest.raises(PartError, match="200 bad rows of 200: line 1: 'n' is not text"):
        made(f"hub://{tmp_path / 'all'}", source_column="n")
    with pytest.raises(PartError, match="no column called 'x'") as caught:
        made(f"hub://{tmp_path / 'all'}", source_column="x")
    assert caught.value.option == "source_column"
    with pytest.raises(PartError, match="there is no column 9"):
        made(f"hub://{tmp_path / 'all'}", source_column=9)


@pytest.mark.parametrize(
    ("address", "options", "option", "words"),
    [
        ("hub://", {}, "train", "names no data set"),
        ("hub://a/b?spilt=train", {}, "train", "has an unknown 'spilt'"),
        ("hub://a/b?split", {}, "train", "is not an address"),
        ("hub://a/b", {"header": True}, "header", "header does not apply"),
        ("hub://a/b", {"format": "csv"}, "format", "format does not apply"),
    ],
)
def test_invalid_addresses_are_refused(address: str, options: dict[str, Any], option: str, words: str) -> None:
    with pytest.raises(PartError, match=words) as caught:
        made(address, **options)
    assert caught.value.option == option


def test_an_unreachable_hub(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    code = (
        "from seqtool_text.text_pairs import TextPairs\nfrom seqtool.api import PartError\n"
        "try:\n    TextPairs(train='hub://nobody/nothing').prepare()\nexcept PartError as error:\n    print(error)\n"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "cannot read the data set 'nobody/nothing' of the hub: " in done.stdout


def test_an_address_in_a_recipe_is_not_a_path(tmp_path: Path) -> None:
    recipe = tmp_path / "a.yaml"
    recipe.write_text(
        "seqtool: 1\nname: a\ntask: {type: text_pairs, train: 'hub://some/name?split=train'}\n"
        "model: {embedding: one_hot, encoder: identity, decoder: {type: attend_before, attention: {scorer: dot}, "
        "cell: {type: gru, hidden_size: 8}}}\ntrain: {steps: 1}\n"
    )
    (variant,) = load_recipe(recipe).variants.values()
    assert variant.data["task"]["train"] == "hub://some/name?split=train"


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Treat every file as large, with Arrow files in the folder `cache`."""
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(pair_reader, "LARGE_FILE_BYTES", 0)
    monkeypatch.setattr("seqtool_text.corpus.CHUNK_SIZE", 7)
    monkeypatch.setenv("SEQTOOL_CACHE", str(tmp_path / "cache"))
    return table(tmp_path / "a.tsv", [(text, text[::-1]) for text in TEXTS])


def kept(path: Path) -> list[Path]:
    return sorted((path.parent / "cache/pairs").iterdir())


def test_an_arrow_file_gives_the_same_pairs(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = table(large.parent / "b.tsv", [("한 new z", "b"), ("a", "c")])
    options = {"valid": str(extra), "min_count": 3, "test": str(large)}
    through = [made(large, **options) for _ in range(2)]
    monkeypatch.setattr(pair_reader, "LARGE_FILE_BYTES", 1 << 30)
    plain = made(large, **options)
    for task in through:
        assert task.state() == plain.state()
        for split in ("train", "valid", "test"):
            assert texts(task, split) == texts(plain, split)
        for k in (0, 5):
            given = {"seed": 1, "rank": 0, "batch_size": 16, "device": torch.device("cpu")}
            assert torch.equal(task.batch("train", k, **given).source, plain.batch("train", k, **given).source)


def test_an_arrow_file_is_read_again(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(large)
    (path,) = kept(large)
    assert path.suffix == ".arrow"
    monkeypatch.setattr(pair_reader, "read_columns", lambda *given: pytest.fail("read the rows again"))
    assert texts(made(large)) == texts(first)


def test_an_arrow_file_is_plain_arrow(large: Path) -> None:
    import pyarrow.ipc

    made(large)
    (path,) = kept(large)
    with pyarrow.ipc.open_file(str(path)) as file:
        whole = file.read_all()
        told = json.loads(file.schema.metadata[b"seqtool.text_pairs"])
    assert whole.column_names == ["source", "target", "line", "chance"]
    assert whole["line"].to_pylist() == list(range(1, len(TEXTS) + 1))
    for name, texts_ in (("source", TEXTS), ("target", [text[::-1] for text in TEXTS])):
        symbols = told["symbols"][name == "target"]
        assert ["".join(symbols[i] for i in ids) for ids in whole[name].to_pylist()] == texts_


@pytest.mark.parametrize(
    "change",
    [
        {"lowercase": True},
        {"normalization": "NFD"},
        {"longest_source": 900},
        {"split_seed": 3},
        {"source_column": 2},
        {"source_unit": "words"},
        {"target_unit": "regex", "target_pattern": r"[^\s]|\s"},
    ],
)
def test_other_options_give_another_arrow_file(
    large: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(large)
    other = made(large, **change)
    assert len(kept(large)) == 2
    monkeypatch.setattr(pair_reader, "LARGE_FILE_BYTES", 1 << 30)
    assert texts(made(large, **change)) == texts(other)


def test_other_content_gives_another_arrow_file(large: Path) -> None:
    made(large)
    large.write_text(large.read_text().replace("a", "q"))
    assert not any("a" in source for source, _ in texts(made(large)))
    assert len(kept(large)) == 2


def test_long_patterns_are_distinguished(large: Path) -> None:
    for end in "ab":
        made(large, source_unit="regex", source_pattern=f"{'x{9}|' * 60}[^{end}]|{end}{end}?")
    assert len(kept(large)) == 2


def flipped(whole: bytes, position: int) -> bytes:
    """One bit differs."""
    return whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :]


def test_a_damaged_arrow_file_is_replaced(large: Path) -> None:
    expected = texts(made(large))
    (path,) = kept(large)
    whole = path.read_bytes()
    places = [*range(0, len(whole), len(whole) // 40), *range(len(whole) - 200, len(whole), 20)]
    for content in (b"", b"ARROW1", whole[: len(whole) // 2], whole + b"\0", *(flipped(whole, at) for at in places)):
        path.unlink()  # earlier content may be mapped
        path.write_bytes(content)
        assert read_arrow(path.parent, path.stem.partition("-")[0]) is None
        assert not path.exists()
        path.write_bytes(content)
    assert texts(made(large)) == expected
    assert kept(large) == [path]
    assert path.read_bytes() == whole


def test_the_decompressed_size_decides_whether_a_file_is_large(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = large.with_suffix(".tsv.gz")
    packed.write_bytes(gzip.compress(large.read_bytes()))
    size = large.stat().st_size
    assert packed.stat().st_size < size - 1
    for limit, expected in ((size, False), (size - 1, True)):
        monkeypatch.setattr(pair_reader, "LARGE_FILE_BYTES", limit)
        monkeypatch.setenv("SEQTOOL_CACHE", str(large.parent / str(limit)))
        assert texts(made(packed))
        assert (large.parent / str(limit)).exists() == expected


def test_temporary_files_of_killed_processes_are_removed(large: Path) -> None:
    folder = large.parent / "cache/pairs"
    folder.mkdir(parents=True)
    old, new = folder / ".old.tmp", folder / ".new.tmp"
    for path in (old, new):
        path.write_bytes(b"ARROW1")
    os.utime(old, (0, 0))
    made(large)
    assert [path.name for path in kept(large) if path.suffix != ".arrow"] == [".new.tmp"]


def test_a_failed_conversion_leaves_no_file(large: Path) -> None:
    large.write_text(large.read_text() + "x\n")
    with pytest.raises(PartError, match="1 bad row of 401: line 401"):
        made(large)
    assert all(path.suffix == ".arrow" for path in kept(large))
    with pytest.raises(PartError, match="1 bad row of 401: line 401"):
        made(large)
    with pytest.warns(UserWarning, match="1 bad row of 401: line 401.*skipped"):
        made(large, bad_rows="skip")


def test_warnings_are_repeated_from_the_arrow_file(large: Path) -> None:
    found = []
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found.append(made(large, longest_source=10).state()["read"])
        (warning,) = caught
        assert "with more than 10 source tokens: lines" in str(warning.message)
    assert found[0] == found[1]
    long = sum(len(text) > 10 for text in TEXTS)
    assert found[0]["train"] == {"rows": 400, "bad": 0, "too_long": long}


def test_an_unwritable_cache(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQTOOL_CACHE", str(large))
    with pytest.raises(SeqtoolError, match=r"cannot cache the pairs of .*set SEQTOOL_CACHE to another folder"):
        made(large)


def test_a_large_file_without_pyarrow(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SeqtoolError, match=r"pip install 'seqtool\[text\]'"):
        made(large)
