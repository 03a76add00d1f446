"""Measures of attention weights in metrics.csv, result.json and `seqtool evaluate`."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from registered import names

import seqtool
from seqtool.errors import RecipeError, SeqtoolError
from seqtool.runs import SeedDirectory

GOLD = names("metric", requires=frozenset({"weights", "alignment"}))
LOOKS = names("metric", requires=frozenset({"weights"}), without=frozenset({"alignment"}))
SHORT = ["train.steps=20", "train.validate_every=10"]
PLAIN = "model.decoder={type: plain, cell: {type: gru, hidden_size: 8}, bridge: linear}"


def read(run: Path) -> tuple[list[dict[str, str]], dict[str, float]]:
    with open(run / "default/seed0/metrics.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["valid_loss"]]
    return rows, json.loads((run / "default/seed0/result.json").read_text())


def test_columns_contain_measures_of_attention_weights(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=SHORT)
    rows, result = read(tmp_path / "run")
    assert [row["step"] for row in rows] == ["10", "20"]
    for name in (*GOLD, *LOOKS):
        assert float(rows[-1][f"valid_{name}"]) == result[name] == result["best"][f"valid_{name}"]
    assert result["alignment_error_rate"] == pytest.approx(1 - result["alignment_f1"])
    # the same from the checkpoint's own weights, example by example
    loaded, entropies, exact = seqtool.load(tmp_path / "run", checkpoint="last"), [], []
    for k in range(2):
        batch = loaded.task.batch("valid", k, seed=0, rank=0, batch_size=16, device=torch.device("cpu"))
        with torch.no_grad():
            _, weights = loaded.model(batch)
        for row in range(16):
            for i in range(int(batch.target_mask[row].sum())):
                looked = weights[row, 0, i].double()
                entropies.append(float(-(looked * looked.clamp(min=1e-300).log()).sum()))
                exact.append(int(looked.argmax()) == int(batch.alignment[row, i]))
    assert sum(entropies) / len(entropies) == pytest.approx(result["attention_entropy"], rel=1e-5)
    assert sum(exact) / len(exact) == pytest.approx(result["alignment_exact"])
    found = loaded.evaluate()
    assert {name: one.value for name, one in found.overall.attention.items()} == pytest.approx(
        {name: result[name] for name in (*GOLD, *LOOKS)}
    )
    assert all(one.low <= one.value <= one.high for one in found.overall.attention.values())
    by_length = [(group.attention["alignment_exact"].value, group.tokens) for group in found.by_length]
    assert sum(value * tokens for value, tokens in by_length) / found.overall.tokens == pytest.approx(
        sum(exact) / len(exact)
    )


def test_columns_are_absent_without_attention_or_gold_alignment(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "plain", overrides=[*SHORT, PLAIN])
    rows, result = read(tmp_path / "plain")
    assert not [name for name in (*rows[0], *result) if "attention" in name or "alignment" in name]
    assert seqtool.load(tmp_path / "plain").evaluate().overall.attention == {}
    task = "task={type: addition, digits: 2}"
    seqtool.run(small, out=tmp_path / "sums", overrides=[*SHORT, task])
    rows, result = read(tmp_path / "sums")
    assert {f"valid_{name}" for name in LOOKS} <= set(rows[0])
    assert not [name for name in (*rows[0], *result) if "alignment" in name]


def test_unmeasurable_metrics_have_an_empty_cell_and_no_key(small: Path, tmp_path: Path) -> None:
    shorter = "model.encoder={type: pyramid, halvings: 1, cell: {type: gru, hidden_size: 8}}"
    seqtool.run(small, out=tmp_path / "run", overrides=[*SHORT, shorter])
    rows, result = read(tmp_path / "run")
    assert all(row[f"valid_{name}"] == "" for row in rows for name in GOLD)
    assert all(float(row[f"valid_{name}"]) >= 0 for row in rows for name in LOOKS)
    assert not set(GOLD) & set(result)
    assert set(seqtool.load(tmp_path / "run").evaluate().overall.attention) == set(LOOKS)
    with pytest.raises(
        SeqtoolError, match=r"seed 0: train.monitor: valid_alignment_f1 has no value.*\n +allowed: valid_"
    ):
        seqtool.run(small, out=tmp_path / "none", overrides=[*SHORT, shorter, "train.monitor=valid_alignment_f1"])


def test_a_recipe_may_name_its_metrics(small: Path, tmp_path: Path) -> None:
    named = "train.metrics=[token_accuracy, {type: alignment_near, distance: 1}]"
    seqtool.run(small, out=tmp_path / "run", overrides=[*SHORT, named, "train.monitor=valid_alignment_near"])
    rows, _ = read(tmp_path / "run")
    assert [name for name in rows[0] if name.startswith("valid_")] == [
        "valid_loss", "valid_token_accuracy", "valid_alignment_near",
    ]  # fmt: skip
    with pytest.raises(RecipeError, match="metric training:alignment_near requires attention weights, and this"):
        seqtool.run(small, out=tmp_path / "none", overrides=[PLAIN, named])


def test_evaluate_prints_measures_of_attention_weights(
    small: Path, tmp_path: Path, command: Callable[..., CompletedProcess[str]]
) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=SHORT)
    done = command("evaluate", tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")
    first, second, about = done.stdout.split("\n\n")
    assert first.startswith("length  examples  exact match")
    assert second.split("\n")[0].split("  ")[:4] == ["length", "error rate", "f1", ""]
    assert [line.split()[0] for line in second.splitlines()[1:]] == ["all", "2", "3", "4"]
    assert about.startswith("default, seed 0")
    content = json.loads(command("evaluate", tmp_path / "run", "--json").stdout)
    assert set(content["overall"]["attention"]) == {*GOLD, *LOOKS}
    assert set(content["by_length"][0]["attention"]["attention_entropy"]) == {"value", "low", "high"}


def test_rows_of_older_runs_keep_their_columns(tmp_path: Path) -> None:
    place = SeedDirectory(tmp_path)
    place.prepare(["step", "valid_loss", "seconds"], 0)
    place.append_metrics([{"step": 5, "valid_loss": 0.5, "seconds": 1.0}, {"step": 9, "seconds": 2.0}])
    with open(place.metrics, "a") as file:
        file.write("11,0.")
    place.prepare(["step", "valid_loss", "valid_attention_entropy", "seconds"], 7)
    assert place.metrics.read_text() == "step,valid_loss,valid_attention_entropy,seconds\n5,0.5,,1.0\n"
