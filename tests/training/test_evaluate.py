"""Evaluation of a trained run, compared with the measures of training and with plain Python."""

import csv
import itertools
import json
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from small_run import REVERSES, SMALL

import seqtool
from seqtool.errors import MisuseError, RecipeError, SeqtoolError
from seqtool.parts.batch import Batch
from seqtool.runs.read import read_run

Command = Callable[..., CompletedProcess[str]]


def batches(run: Path, split: str, count: int, size: int) -> list[Batch]:
    task = seqtool.load(run).task
    cpu = torch.device("cpu")
    return [task.batch(split, k, seed=0, rank=0, batch_size=size, device=cpu) for k in range(count)]


def test_exact_match_equals_sequence_accuracy_of_the_training(moved: Path) -> None:
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
def test_measures_equal_those_of_individual_predictions(moved: Path, search: dict[str, object] | None) -> None:
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
                "sequence_error_rate": sum(w != gold for w, gold in pairs) / len(pairs),
            }
        )
    assert [group.shortest for group in found.by_length] == [3, 4, 5, 6]
    assert sum(group.examples for group in found.by_length) == found.overall.examples == 30


def test_splits_differ_and_are_reproducible(moved: Path) -> None:
    loaded = seqtool.load(moved)
    assert loaded.evaluate("valid", batches=1) == loaded.evaluate("valid", batches=1)
    assert loaded.evaluate("valid", batches=1) != loaded.evaluate("test", batches=1)


def test_evaluating_untrained_models_with_fixed_and_variable_lengths(small: Path, tmp_path: Path) -> None:
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


def test_invalid_arguments_of_evaluate(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = seqtool.load(moved)
    with pytest.raises(MisuseError, match="did you mean 'valid'"):
        loaded.evaluate("vaild")
    with pytest.raises(MisuseError, match="must be at least 1"):
        loaded.evaluate(batches=0)
    with pytest.raises(RecipeError, match="size"):
        loaded.evaluate(search={"type": "beam", "size": 0})
    monkeypatch.setattr(type(loaded.task), "num_batches", lambda self, split, size: 0)
    with pytest.raises(SeqtoolError, match="the split 'test' has no examples"):
        loaded.evaluate("test")


def test_an_unknown_target_symbol_is_never_correct(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = seqtool.load(moved)
    vocabulary = loaded.task.target_vocabulary
    before = loaded.evaluate(batches=1).overall.measures["token_error_rate"].value
    object.__setattr__(vocabulary, "unknown", 0)
    monkeypatch.setattr(type(loaded), "task_with_data", lambda self: self.task)
    after = loaded.evaluate(batches=1).overall.measures["token_error_rate"].value
    (batch,) = batches(moved, "valid", 1, 20)
    share = int(((batch.target == 0) & batch.target_mask).sum()) / (int(batch.target_mask.sum()) - 20)
    assert after >= max(before, share * 0.99)


def test_the_nearest_of_several_correct_targets_counts(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = seqtool.load(moved)
    plain = loaded.evaluate(batches=2).overall.measures
    monkeypatch.setattr(type(loaded.task), "alternative_targets", lambda self, source: [[], list(source), [0] * 9])
    more = loaded.evaluate(batches=2).overall.measures
    assert more["exact_match"].value >= plain["exact_match"].value
    assert more["edit_distance"].value <= plain["edit_distance"].value

    def as_written(self: object, source: list[int]) -> list[list[int]]:
        names = loaded.task.source_vocabulary.symbols
        (found,) = loaded.predict([" ".join(names[i] for i in source)])
        return [[0], [names.index(symbol) for symbol in found.symbols[:-1]]]

    monkeypatch.setattr(type(loaded.task), "alternative_targets", as_written)
    best = loaded.evaluate(batches=1).overall.measures
    assert {name: one.value for name, one in best.items()} == {
        "exact_match": 1, "token_accuracy": 1, "edit_distance": 0, "token_error_rate": 0, "sequence_error_rate": 0,
    }  # fmt: skip


def test_training_also_counts_the_nearest_of_several_correct_targets(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write_text(REVERSES.replace("steps: 120", "steps: 30"))
    metrics = ["train.metrics=[token_accuracy, sequence_accuracy, decoded_token_accuracy]"]

    def figures(name: str) -> dict[str, float]:
        result = seqtool.run(small, out=tmp_path / name, overrides=metrics)
        return result["variants"]["default"]["seeds"]["3"]

    plain = figures("plain")
    assert plain["sequence_accuracy"] < 0.9
    loaded = seqtool.load(tmp_path / "plain", checkpoint="last")
    names, end = loaded.task.source_vocabulary.symbols, loaded.task.target_vocabulary.end

    def as_written(self: object, source: list[int]) -> list[list[int]]:
        (found,) = loaded.predict([" ".join(names[i] for i in source)], max_length=7)
        ids = [loaded.task.target_vocabulary.find(symbol) for symbol in found.symbols]
        return [[0] * 9, ids[:-1] if ids[-1] == end else [0]]

    monkeypatch.setattr(type(loaded.task), "alternative_targets", as_written)
    kinder = figures("kinder")
    assert kinder["valid_loss"] == plain["valid_loss"], "training is unchanged"
    assert kinder["token_accuracy"] >= plain["token_accuracy"], "an accepted next symbol is correct too"
    evaluated = seqtool.load(tmp_path / "kinder", checkpoint="last").evaluate().overall
    found = evaluated.measures
    assert kinder["sequence_accuracy"] == pytest.approx(found["exact_match"].value)
    assert kinder["decoded_token_accuracy"] == pytest.approx(found["token_accuracy"].value)
    assert kinder["sequence_accuracy"] > plain["sequence_accuracy"] + 0.1
    (seed,) = read_run(tmp_path / "kinder").variants["default"]
    right, tokens = (sum(counts) for counts in zip(*(one.accuracy for one in seed.examples), strict=True))
    assert (right / tokens, tokens) == (pytest.approx(found["token_accuracy"].value), evaluated.tokens)


def test_evaluating_training_batches_uses_those_of_the_run(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, seeds = seqtool.load(moved), []
    batch = type(loaded.task).batch

    def asked(self: object, split: str, k: int, *, seed: int, **rest: object) -> Batch:
        seeds.append((split, seed))
        return batch(self, split, k, seed=seed, **rest)

    monkeypatch.setattr(type(loaded.task), "batch", asked)
    loaded.evaluate("train", batches=2)
    assert seeds == [("train", 3)] * 2


def texts_of(run: Path, split: str, count: int, size: int) -> list[tuple[str, str]]:
    task = seqtool.load(run).task
    names = task.source_vocabulary.symbols
    return [
        (
            " ".join(names[i] for i in batch.source[row][batch.source_mask[row]]),
            task.decode_target(batch.target[row][batch.target_mask[row]].tolist()),
        )
        for batch in batches(run, split, count, size)
        for row in range(len(batch))
    ]


def test_pairs_of_a_split_give_the_measures_of_the_split(moved: Path) -> None:
    loaded = seqtool.load(moved)
    pairs = texts_of(moved, "test", 1, 15)
    assert len(dict(pairs)) == 15
    found = loaded.evaluate_pairs(pairs, batch_size=7)
    assert found.split is None
    whole = loaded.evaluate("test", batches=1, batch_size=15).overall
    assert found.overall == replace(whole, attention={})  # pairs have no gold alignment and no teacher forcing


def test_a_source_with_several_targets_is_one_example(moved: Path) -> None:
    loaded = seqtool.load(moved)
    (one,) = loaded.predict(["a b c d"])
    wrong = "a a a a"
    assert loaded.evaluate_pairs([("a b c d", wrong)]).overall.measures["exact_match"].value == 0
    found = loaded.evaluate_pairs([("a b c d", wrong), ("b a", "b b"), (" a  b c d", one.text), ("b a", "b b")])
    assert found.overall.examples == 2
    assert found.overall.measures["exact_match"].value == 0.5
    with pytest.raises(SeqtoolError, match="there are no pairs to evaluate"):
        loaded.evaluate_pairs([])
    for none in ("ab", ("a b",), ("a b", ["b a"]), ("a b", "b a", "a b")):
        with pytest.raises(MisuseError, match="a pair must be two strings, a source and its target; got"):
            loaded.evaluate_pairs([none])
    with pytest.raises(SeqtoolError, match="the target vocabulary has no 'x'"):
        loaded.evaluate_pairs([("a b", "x")])
    with pytest.raises(SeqtoolError, match="'</s>' marks the start or end of a target"):
        loaded.evaluate_pairs([("a b", "b </s>")])


def test_a_file_from_the_command_line(moved: Path, command: Command, tmp_path: Path) -> None:
    pairs = texts_of(moved, "test", 1, 12)
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    done = command("evaluate", moved, file, "--json", "--bleu", "tokens")
    content = json.loads(done.stdout)
    found = seqtool.load(moved).evaluate_pairs(pairs, bleu="tokens")
    assert content["overall"] == found.plain()["overall"]
    assert (content["split"], content["file"], content["skipped_lines"]) == (None, str(file), 0)
    assert content["bleu_signature"].startswith("case:mixed|eff:no|tok:tokens|smooth:exp|version:")
    file.write_bytes(b"a b\tb a\na b c\nq\ta\na\tq\n\xff\ta\n\ta\na\t\n")
    done = command("evaluate", moved, file)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{file}:2: no tab: a line must be a source, a tab and a target" in done.stderr
    done = command("evaluate", moved, file, "--bad-lines", "skip", "--bleu", "13a")
    assert done.returncode == 0
    said = done.stderr.splitlines()
    for number, words in enumerate(
        ["no tab", "the source vocabulary has no 'q'", "the target vocabulary has no 'q'", "not UTF-8",
         "the source has no symbols", "the target has no symbols"], start=2,
    ):  # fmt: skip
        assert any(line.startswith(f"warning: {file}:{number}: {words}") for line in said), words
    assert said[-1] == "warning: skipped 6 lines"
    heading, overall, *_ = done.stdout.splitlines()
    assert heading.split("  ")[-1].strip() == "BLEU"
    assert overall.split()[:2] == ["all", "1"]
    assert done.stdout.splitlines()[-1].startswith(f"default, seed 3, best checkpoint, step 120; {file}; ")
    refused = command("evaluate", moved, file, "--split", "test")
    assert refused.returncode == 2


@pytest.mark.parametrize("tokenize", ["tokens", "13a", "char"])
def test_bleu_equals_sacrebleus_corpus_bleu(moved: Path, tokenize: str) -> None:
    from sacrebleu.metrics.bleu import BLEU

    loaded = seqtool.load(moved)
    pairs = texts_of(moved, "test", 2, 15)
    pairs = [(source, target if k % 4 else target[::-1]) for k, (source, target) in enumerate(pairs)]  # some are missed
    pairs += [(source, target[::-1]) for source, target in pairs[::3]]  # some have two correct targets
    found = loaded.evaluate_pairs(pairs, bleu=tokenize)
    right: dict[str, list[str]] = {}
    for source, target in pairs:
        if target not in right.setdefault(source, []):
            right[source].append(target)
    written = [one.text for one in loaded.predict(list(right))]
    width = max(map(len, right.values()))
    references = [[targets[k] if k < len(targets) else None for targets in right.values()] for k in range(width)]
    metric = BLEU(tokenize="none" if tokenize == "tokens" else tokenize)
    whole = metric.corpus_score(written, references).score
    assert 0 < whole < 100
    bleu = found.overall.measures["bleu"]
    assert bleu.value == pytest.approx(whole)
    assert bleu.low < bleu.value < bleu.high
    six = [k for k, targets in enumerate(right.values()) if len(targets) == 1 and len(targets[0].split()) == 6]
    single = [(list(right)[k], right[list(right)[k]][0]) for k in six]
    (group,) = loaded.evaluate_pairs(single, bleu=tokenize).by_length
    alone = metric.corpus_score([written[k] for k in six], [[target for _, target in single]])
    assert group.measures["bleu"].value == pytest.approx(alone.score)


def test_bleu_without_sacrebleu_and_with_an_unknown_tokenizer(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = seqtool.load(moved)
    with pytest.raises(MisuseError, match="did you mean 'tokens'"):
        loaded.evaluate(bleu="token")
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    with pytest.raises(SeqtoolError, match=r"pip install 'seqtool\[metrics\]'"):
        loaded.evaluate(bleu="tokens")


def test_a_reference_with_an_unknown_symbol_is_never_matched(moved: Path) -> None:
    from seqtool.inference.bleu import Bleu

    task = copy(seqtool.load(moved).task)
    task.target_vocabulary = replace(task.target_vocabulary, unknown=0)
    bleu = Bleu(task, "tokens")
    assert bleu.statistics([0, 1, 2], [[0, 1, 2]])[2:4] == [2, 1]
    assert bleu.statistics([1, 2], [[0], [1, 2]])[:4] == [2, 2, 2, 1]


def test_error_rates_are_named_after_target_units(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = seqtool.load(moved)
    before = loaded.evaluate(batches=1).overall.measures
    monkeypatch.setattr(type(loaded.task), "token_name", "phoneme")
    after = loaded.evaluate(batches=1).overall.measures
    assert list(after)[3] == "phoneme_error_rate"
    assert after["phoneme_error_rate"] == before["token_error_rate"]
    names = {"text_pairs": {"train": "x"}, "dates": {}, "addition": {}}
    found = {name: seqtool.make(f"task/{name}", **options).token_name for name, options in names.items()}
    assert found == dict.fromkeys(names, "character")
    assert seqtool.make("task/text_pairs", train="x", target_unit="words").token_name == "word"


def test_all_variants_and_seeds_are_evaluated(small: Path, tmp_path: Path, command: Command) -> None:
    small.write_text(f"{SMALL}variants: {{one: {{}}, two: {{model: {{decoder: {{cell: {{hidden_size: 4}}}}}}}}}}\n")
    run = tmp_path / "run"
    seqtool.run(small, out=run, overrides=["train.steps=2", "train.validate_every=2"], seeds=[0, 1])
    content = json.loads(command("evaluate", run, "--json").stdout)["models"]
    assert [(one["variant"], one["seed"]) for one in content] == [("one", 0), ("one", 1), ("two", 0), ("two", 1)]
    alone = json.loads(command("evaluate", run, "--json", "--variant", "two", "--seed", "1").stdout)
    assert alone == {"format": 1, **content[3]}
    (run / "two/seed1/best.ckpt").unlink()
    done = command("evaluate", run, "--format", "csv")
    assert "warning: two, seed 1 has no best checkpoint" in done.stderr
    measures, attention = (list(csv.reader(table.splitlines())) for table in done.stdout.strip().split("\n\n"))
    assert [row[:2] for row in measures[1:]] == [["one", "0"], ["one", "1"], ["two", "0"], ["one", "mean"]]
    column = measures[0].index("token accuracy")
    values = [one["overall"]["measures"]["token_accuracy"]["value"] for one in content[:2]]
    assert float(measures[4][column]) == pytest.approx(sum(values) / 2, abs=1e-4)
    assert attention[0][:2] == ["variant", "seed"]
    done = command("evaluate", run, "--variant", "tow")
    assert done.returncode == 2
    assert "did you mean 'two'" in done.stderr


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
