"""Claims: training, measures, verdicts, resuming, and errors in claims."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from small_run import REVERSES

import seqtool
from seqtool.build.check import check
from seqtool.errors import MisuseError, RecipeError, SeqtoolError
from seqtool.registry import default_registry
from seqtool.verification import claim_runs
from seqtool.verification.claim import bundled_claims, load_claim

Command = Callable[..., CompletedProcess[str]]

CLAIM = """\
seqtool: 1
title: a few symbols, reversed
published: all of them
source: nobody
recipe: reverses.yaml
seeds: [3, 4]
measures:
  - {name: loss, result: train_loss, most: 5}
  - {name: valid, metric: exact_match, split: valid, over: mean, least: 0, most: 1, published: 0.9}
  - {name: valid with beam, metric: token_accuracy, split: valid, search: {type: beam, size: 2}}
"""


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    """A claim that holds, next to its recipe."""
    (tmp_path / "reverses.yaml").write_text(REVERSES.replace("steps: 120", "steps: 20"))
    path = tmp_path / "few.yaml"
    path.write_text(CLAIM)
    return path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The trained seeds, in order."""
    calls: list[dict[str, Any]] = []
    run = claim_runs.run

    def noted(**arguments: Any) -> Any:
        calls.append(arguments)
        return run(**arguments)

    monkeypatch.setattr(claim_runs, "run", noted)
    return calls


def test_a_claim_that_holds(claim: Path, tmp_path: Path, trained: list[dict[str, Any]]) -> None:
    folder = tmp_path / "out"
    verdict = seqtool.verify(claim, out=folder)
    assert (verdict.holds, verdict.partial, verdict.text) == (True, False, "HOLDS")
    written = json.loads((folder / "verdict.json").read_text())
    assert written == {**verdict.plain(), "runs": [dict(run) for run in verdict.runs]}
    run = folder / "seed3_4"
    loss, valid, beam = written["measures"]
    for seed in ("3", "4"):
        result = json.loads((run / f"default/seed{seed}/result.json").read_text())
        assert loss["seeds"][seed] == result["train_loss"]
        assert valid["seeds"][seed] == pytest.approx(result["sequence_accuracy"])
        found = seqtool.load(run, seed=int(seed), checkpoint="last").evaluate(search={"type": "beam", "size": 2})
        assert beam["seeds"][seed] == found.overall.measures["token_accuracy"].value
    assert valid["mean"] == pytest.approx((valid["seeds"]["3"] + valid["seeds"]["4"]) / 2)
    assert [measure["holds"] for measure in written["measures"]] == [True, True, None]
    assert [(one["seed"], one["run"], one["steps"]) for one in written["runs"]] == [
        (3, "seed3_4", 20),
        (4, "seed3_4", 20),
    ]
    assert written["runs"][0]["machine"]["cores"] >= 1
    assert len(trained) == 1
    again = seqtool.verify(claim, out=folder)
    assert len(trained) == 1, "finished seeds are not trained again"
    assert [finding.values for finding in again.findings] == [finding.values for finding in verdict.findings]


@pytest.mark.parametrize(
    ("band", "holds"),
    [
        ("least: 0.9", [False, False]),
        ("most: 0.9", [True, True]),
        ("least: 0.15, most: 0.25", [False, True]),
        ("least: 0.1, most: 0.3", [True, True]),
    ],
)
def test_bands_apply_to_each_seed_or_to_the_mean(claim: Path, band: str, holds: list[bool]) -> None:
    from seqtool.verification.verdict import Finding

    text = "".join(f"  - {{name: n, result: r, over: {over}, {band}}}\n" for over in ("each", "mean"))
    claim.write_text(CLAIM.partition("  - ")[0] + text)
    measures = load_claim(claim, default_registry()).measures
    values = {0: 0.1, 1: 0.3}
    assert [Finding(measure, "default", values).holds for measure in measures] == holds


def test_a_claim_without_bands_is_not_reported_to_hold(claim: Path) -> None:
    from seqtool.verification.verdict import Finding, Verdict

    read = load_claim(claim, default_registry())
    bare, asked = (Finding(read.measures[k], "default", {3: 0.5, 4: 0.5}) for k in (2, 0))
    words = [Verdict(read, False, (3, 4), found, (), {}).text for found in ((bare,), (bare, asked))]
    assert words == ["REPORTED: no measure has a band", "HOLDS"]


def test_a_non_finite_number_is_within_no_band(claim: Path) -> None:
    from seqtool.verification.verdict import Finding

    loss, *_ = load_claim(claim, default_registry()).measures
    found = Finding(loss, "default", {0: float("nan")})
    assert found.holds is False
    assert found.plain()["mean"] is None


def test_a_claim_that_does_not_hold_and_a_partial_one(claim: Path, tmp_path: Path, command: Command) -> None:
    claim.write_text(CLAIM.replace("least: 0,", "least: 0.999,"))
    done = command("verify", claim, "--out", tmp_path / "out", "--seeds", "1", "--quiet")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[4].split() == ["measure", "seed", "3", "mean", "band", "published", "holds"]
    assert lines[6].startswith("valid ")
    assert lines[6].split()[-6:] == ["mean", "0.999", "to", "1", "0.9", "NO"]
    assert lines[-1] == "DOES NOT HOLD: valid (partial: seeds 3 of 3, 4); our schedule, reverses"
    claim.write_text(CLAIM)
    done = command("verify", claim, "--out", tmp_path / "out", "--seed", "3", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["holds"], found["partial"], found["seeds"]) == (True, True, [3])
    for flags in (["--seed", "5"], ["--seeds", "3"], ["--seeds", "1", "--seed", "3"], ["--list"], ["--as-published"]):
        refused = command("verify", claim, *flags)
        assert (refused.returncode, refused.stdout) == (2, ""), flags
    assert command("verify").returncode == 2


def test_earlier_runs_are_resumed(claim: Path, tmp_path: Path, trained: list[dict[str, Any]]) -> None:
    folder, recipe = tmp_path / "out", tmp_path / "reverses.yaml"
    seqtool.run(recipe, out=folder / "a", seeds=[4, 7])
    seqtool.run(recipe, out=folder / "b", overrides=["train.steps=5"], seeds=[3])
    seqtool.run(recipe, out=folder / "c", seeds=[3])
    half = folder / "c/default/seed3"
    before = json.loads((half / "result.json").read_text())
    (half / "result.json").unlink()  # as if killed after its last checkpoint
    verdict = seqtool.verify(claim, out=folder)
    assert [(call["resume"], call["seeds"]) for call in trained] == [(folder / "c", [3])]
    assert [(run["seed"], run["run"]) for run in verdict.runs] == [(3, "c"), (4, "a")]
    assert verdict.findings[0].values[3] == before["train_loss"]


def test_the_folder_may_be_the_run(claim: Path, tmp_path: Path, trained: list[dict[str, Any]]) -> None:
    folder, recipe = tmp_path / "run", tmp_path / "reverses.yaml"
    seqtool.run(recipe, out=folder, seeds=[3])
    assert seqtool.verify(claim, out=folder, seeds=[3]).runs[0]["run"] == "."
    assert not trained
    with pytest.raises(SeqtoolError, match=r"is a run without these seeds: 4\n    allowed: --out with the"):
        seqtool.verify(claim, out=folder)
    recipe.write_text(recipe.read_text().replace("batch_size: 32", "batch_size: 16"))
    with pytest.raises(SeqtoolError, match="is a run of another recipe"):
        seqtool.verify(claim, out=folder, seeds=[3])


def test_as_published_uses_another_recipe(claim: Path, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="few has no published schedule: its recipe is our own"):
        seqtool.verify(claim, out=tmp_path / "out", as_published=True)
    letter = (tmp_path / "reverses.yaml").read_text().replace("steps: 20", "steps: 3")
    (tmp_path / "letter.yaml").write_text(letter)
    claim.write_text(CLAIM.replace("seeds:", "as_published: letter.yaml\nseeds:"))
    verdict = seqtool.verify(claim, out=tmp_path / "out", as_published=True, seeds=[4])
    assert (verdict.as_published, verdict.runs[0]["steps"]) == (True, 3)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("source: nobody", "sauce: nobody", "4:1: sauce: a claim has no option 'sauce'"),
        ("recipe: reverses.yaml", "recipe: revers", "5:9: recipe: there is no recipe 'revers'"),
        ("recipe: reverses.yaml", "recipe: align_60_21", "did you mean 'align_60_20'?"),
        ("seeds: [3, 4]", "seeds: []", "6:8: seeds: expected"),
        ("seeds: [3, 4]", "seeds: [3, 4, 3]", "6:8: seeds: seed 3 is listed twice"),
        ("result: train_loss, ", "", "8:5: measures.0.metric: a measure takes exactly one of `result` and `metric`"),
        ("result: train_loss", "result: x, metric: y", "8:37: measures.0.metric: a measure takes exactly one of"),
        ("most: 5", "most: five", "8:44: measures.0.most: expected"),
        ("least: 0,", "least: 2,", "9:73: measures.1.least: least, 2.0, is above most, 1.0"),
        ("type: beam", "type: beem", "did you mean 'beam'?"),
        (
            "metric: exact_match",
            "metric: exact_macth",
            "9:27: measures.1.metric: seqtool evaluate measures no 'exact_macth'",
        ),
        (
            "result: train_loss",
            "result: train_los",
            "8:26: measures.0.result: a run of this recipe writes no 'train_los'",
        ),
        ("result: train_loss", "result: train_loss, variant: x", "measures.0.variant: the recipe has no variant 'x'"),
        ("title: a", "title: a\ntitle: b", "3:1: duplicate key 'title'"),
    ],
)
def test_errors_in_a_claim_are_reported_with_their_position(claim: Path, old: str, new: str, said: str) -> None:
    assert old in CLAIM
    claim.write_text(CLAIM.replace(old, new, 1))
    with pytest.raises(RecipeError) as told:
        seqtool.verify(claim, out=claim.parent / "out")
    assert said in str(told.value)
    assert not (claim.parent / "out").exists()


def test_seeds_are_a_list(claim: Path) -> None:
    with pytest.raises(MisuseError, match="seeds is a list of integers"):
        seqtool.verify(claim, seeds=3)  # type: ignore[arg-type]


def test_an_unknown_claim(command: Command) -> None:
    done = command("verify", "algn_30_10")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'align_30_10'?" in done.stderr


def test_list_contains_all_claims(command: Command) -> None:
    rows = command("verify", "--list").stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["CLAIM", *bundled_claims()]
    found = json.loads(command("verify", "--list", "--json").stdout)["claims"]
    assert [claim["name"] for claim in found] == list(bundled_claims())


@pytest.mark.parametrize("name", bundled_claims())
def test_bundled_claims_match_their_recipes(name: str) -> None:
    from seqtool.verification.verify import check_claim

    claim = load_claim(name, default_registry())
    assert any(measure.has_band for measure in claim.measures)
    for path, as_published in ((claim.recipe, False), (claim.as_published, True)):
        if path:
            recipe = claim.load_recipe(as_published, default_registry())
            assert len(check_claim(claim, recipe)) == len(claim.measures)
            check(recipe)
