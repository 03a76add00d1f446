"""A trained run, measured: against what training measured, and against plain Python over its predictions."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

import seqtool
from seqtool.errors import MisuseError, RecipeError, SeqtoolError
from seqtool.parts.batch import Batch

Command = Callable[..., CompletedProcess[str]]


def batches(run: Path, split: str, count: int, size: int) -> list[Batch]:
    task = seqtool.load(run).task
    cpu = torch.device("cpu")
    return [task.batch(split, k, seed=0, rank=0, batch_size=size, device=cpu) for k in range(count)]


def test_exact_match_is_the_sequence_accuracy_that_training_measured(moved: Path) -> None:
    result = json.loads((moved / "default/seed3/result.json").read_text())
    found = seqtool.load(moved, checkpoint="last").evaluate()
    assert found.overall.examples == 60
    assert found.overall.measures["exact_match"].value == pytest.approx(result["sequence_accuracy"])


def levenshtein(one: list[str], other: list[str]) -> int:
    if not one or not other:
        return len(one) + len(other)
    found = [[*range(len(other) + 1)]]
    for i, a in enumerate(one, start=1):
        found.append([i])
        for j, b in enumerate(other, start=1):
            found[i].append(min(found[i - 1][j] + 1, found[i][j - 1] + 1, found[i - 1][j - 1] + (a != b)))
    return found[-1][-1]


@pytest.mark.parametrize("search", [None, {"type": "beam", "size": 3}])
def test_measures_are_those_of_the_predictions_one_by_one(moved: Path, search: dict[str, object] | None) -> None:
    loaded = seqtool.load(moved, checkpoint="best")
    names = loaded.task.target_vocabulary.symbols
    sources, golds = [], []
    for batch in batches(moved, "test", 2, 15):
        for row in range(15):
            sources.append(" ".join(names[i] for i in batch.source[row][batch.source_mask[row]]))
            golds.append([names[i] for i in batch.target[row][batch.target_mask[row]]])
    written = [list(one.symbols) for one in loaded.predict(sources, search=search)]
    found = loaded.evaluate("test", search=search, batches=2, batch_size=15)
    for group in (found.overall, *found.by_length):
        pairs = [p for p in zip(written, golds, strict=True) if group.shortest <= len(p[1]) - 1 <= group.longest]
        assert group.examples == len(pairs)
        edits = [levenshtein([s for s in w if s != "</s>"], gold[:-1]) for w, gold in pairs]
        right = sum(a == b for w, gold in pairs for a, b in zip(w, gold, strict=False))
        tokens = sum(len(gold) for _, gold in pairs)
        assert group.tokens == tokens
        assert {name: one.value for name, one in group.measures.items()} == pytest.approx(
            {
                "exact_match": sum(w == gold for w, gold in pairs) / len(pairs),
                "token_accuracy": right / tokens,
                "edit_distance": sum(edits) / len(pairs),
                "token_error_rate": sum(edits) / (tokens - len(pairs)),
            }
        )
    assert [group.shortest for group in found.by_length] == [3, 4, 5, 6]
    assert sum(group.examples for group in found.by_length) == found.overall.examples == 30


def test_splits_differ_and_repeat(moved: Path) -> None:
    loaded = seqtool.load(moved)
    assert loaded.evaluate("valid", batches=1) == loaded.evaluate("valid", batches=1)
    assert loaded.evaluate("valid", batches=1) != loaded.evaluate("test", batches=1)


def test_an_untrained_model_that_never_ends_and_targets_without_end(small: Path, tmp_path: Path) -> None:
    overrides = ["train.steps=1", "train.validation_batches=1"]
    seqtool.run(small, out=tmp_path / "fixed", overrides=overrides)
    loaded = seqtool.load(tmp_path / "fixed")
    found = loaded.evaluate(batches=2)
    assert found.overall.examples == 32
    assert found.overall.measures["edit_distance"].value <= 4
    assert found.overall.tokens == sum(int(b.target_mask.sum()) for b in batches(tmp_path / "fixed", "valid", 2, 16))
    reverse = "task={type: reverse, length: 25, min_length: 2, symbols: 9, ending: eos}"
    seqtool.run(small, out=tmp_path / "long", overrides=[*overrides, reverse])
    many = seqtool.load(tmp_path / "long").evaluate(batches=10)
    assert 1 < len(many.by_length) <= 10
    ends = [(group.shortest, group.longest) for group in many.by_length]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))
    assert sum(group.examples for group in many.by_length) == many.overall.examples


def test_what_evaluate_refuses(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = seqtool.load(moved)
    with pytest.raises(MisuseError, match="did you mean 'valid'"):
        loaded.evaluate("vaild")
    with pytest.raises(MisuseError, match="whole numbers from 1 on"):
        loaded.evaluate(batches=0)
    with pytest.raises(RecipeError, match="size"):
        loaded.evaluate(search={"type": "beam", "size": 0})
    monkeypatch.setattr(type(loaded.task), "num_batches", lambda self, split, size: 0)
    with pytest.raises(SeqtoolError, match="the split 'test' holds no example"):
        loaded.evaluate("test")
    monkeypatch.setattr(type(loaded.task), "state", lambda self: {"symbols": "others"})
    with pytest.raises(SeqtoolError, match="have changed since it was trained"):
        loaded.evaluate()


def test_a_symbol_that_the_vocabulary_lacks_is_never_right(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = seqtool.load(moved)
    vocabulary = loaded.task.target_vocabulary
    before = loaded.evaluate(batches=1).overall.measures["token_error_rate"].value
    object.__setattr__(vocabulary, "unknown", 0)
    monkeypatch.setattr(type(loaded), "task_with_data", lambda self: self.task)
    after = loaded.evaluate(batches=1).overall.measures["token_error_rate"].value
    (batch,) = batches(moved, "valid", 1, 20)
    share = int(((batch.target == 0) & batch.target_mask).sum()) / (int(batch.target_mask.sum()) - 20)
    assert after >= max(before, share * 0.99)


def test_the_nearest_of_several_right_targets_counts(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = seqtool.load(moved)
    plain = loaded.evaluate(batches=2).overall.measures
    monkeypatch.setattr(type(loaded.task), "also_right", lambda self, source: [[], list(source), [0] * 9])
    more = loaded.evaluate(batches=2).overall.measures
    assert more["exact_match"].value >= plain["exact_match"].value
    assert more["edit_distance"].value <= plain["edit_distance"].value

    def as_written(self: object, source: list[int]) -> list[list[int]]:
        names = loaded.task.source_vocabulary.symbols
        (found,) = loaded.predict([" ".join(names[i] for i in source)])
        return [[0], [names.index(symbol) for symbol in found.symbols[:-1]]]

    monkeypatch.setattr(type(loaded.task), "also_right", as_written)
    best = loaded.evaluate(batches=1).overall.measures
    assert {name: one.value for name, one in best.items()} == {
        "exact_match": 1, "token_accuracy": 1, "edit_distance": 0, "token_error_rate": 0,
    }  # fmt: skip


def test_training_batches_are_those_of_the_run(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, seeds = seqtool.load(moved), []
    batch = type(loaded.task).batch

    def asked(self: object, split: str, k: int, *, seed: int, **rest: object) -> Batch:
        seeds.append((split, seed))
        return batch(self, split, k, seed=seed, **rest)

    monkeypatch.setattr(type(loaded.task), "batch", asked)
    loaded.evaluate("train", batches=2)
    assert seeds == [("train", 3)] * 2


def test_evaluate_from_the_command_line(moved: Path, command: Command) -> None:
    done = command("evaluate", moved, "--batches", "2")
    assert (done.returncode, done.stderr) == (0, "")
    heading, overall, *rest = done.stdout.splitlines()
    assert heading.split("  ")[0] == "length"
    assert overall.split()[:2] == ["all", "40"]
    assert [line.split()[0] for line in rest[:4]] == ["3", "4", "5", "6"]
    assert rest[-1].startswith("default, seed 3, best checkpoint, step ")
    done = command("evaluate", moved, "--batches", "2", "--json", "--search", "{type: beam, size: 2}")
    content = json.loads(done.stdout)
    assert (content["format"], content["split"], content["search"]["size"]) == (1, "valid", 2)
    found = seqtool.load(moved).evaluate(batches=2, search={"type": "beam", "size": 2})
    assert content["overall"] == found.plain()["overall"]
    assert content["bootstrap"] == {"resamples": 1000, "confidence": 0.95, "seed": 0}
    done = command("evaluate", moved, "--split", "tst")
    assert done.returncode == 2
    done = command("evaluate", moved, "--search", "{type: beem}")
    assert done.returncode == 2
    assert "did you mean 'beam'" in done.stderr
    assert "Traceback" not in done.stderr
