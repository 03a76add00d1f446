"""`seqtool compare` for run directories with known figures."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runs import EXAMPLES, Call, write_run

from seqtool.analysis.compare import compare
from seqtool.analysis.compare.comparison_tables import over_seeds
from seqtool.errors import MisuseError, SeqtoolError


def test_variants_of_one_run_with_their_seeds_together(tmp_path: Path) -> None:
    found = compare([write_run(tmp_path / "run", ("one", "two"), (0, 1, 2))])
    assert [variant["label"] for variant in found["variants"]] == ["one", "two"]
    assert found["recipe"] == {"model.size": {"one": "1", "two": "2"}}
    loss = found["metrics"]["train_loss"]["two"]
    assert loss["mean"] == pytest.approx(2.1)
    assert loss["seeds"] == pytest.approx({"0": 2.0, "1": 2.1, "2": 2.2})
    assert 2.0 <= loss["low"] < 2.1 < loss["high"] <= 2.2
    assert found["cost"]["two"] == {"parameters": 200, "milliseconds_per_step": 200.0, "seconds": 8.0}
    (pair,) = found["pairs"]
    assert (pair["examples"], pair["seeds"], pair["over"]) == (EXAMPLES, [3, 3], "examples and seeds")
    assert pair["differences"]["exact_match"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_paired_differences_by_hand(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "good"), write_run(tmp_path / "worse", wrong=[0, 3])]
    (pair,) = compare(runs)["pairs"]
    assert (pair["label"], pair["over"]) == ("worse", "examples")
    exact, tokens = pair["differences"]["exact_match"], pair["differences"]["token_accuracy"]
    lengths = [2 + e % 3 for e in range(EXAMPLES)]
    assert exact["value"] == pytest.approx(-2 / EXAMPLES)
    assert tokens["value"] == pytest.approx(-2 / sum(lengths))
    # k of n examples differ; the number of them in a resample is binomial
    assert -6 / EXAMPLES <= exact["low"] < exact["value"] < exact["high"] <= 0
    assert exact["low"] == pytest.approx(-5 / EXAMPLES, abs=1 / EXAMPLES)


def test_paired_intervals_are_narrower_than_unpaired_ones(tmp_path: Path) -> None:
    both = compare([write_run(tmp_path / "a", wrong=[1, 2, 3]), write_run(tmp_path / "b", wrong=[1, 2, 3])])
    assert both["pairs"][0]["differences"]["exact_match"] == {"value": 0, "low": 0, "high": 0}


def test_intervals_over_seeds_equal_those_of_all_resamples() -> None:
    assert over_seeds([1.0, 2.0, 4.0]) == (1.0, 4.0)  # the same seed three times: one of 27 draws
    values = [1.0, 2.0, 4.0, 4.5, 7.0]
    means = [sum(drawn) / 5 for drawn in itertools.product(values, repeat=5)]
    assert over_seeds(values) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=0.15)
    assert over_seeds([1.0]) == (None, None)


def test_runs_that_cannot_be_paired_give_the_reason(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "abc"), write_run(tmp_path / "xyz", symbols="xyz")]
    (pair,) = compare(runs)["pairs"]
    assert pair["unpaired"] == "their validation examples differ: example 0 is not the same"
    (tmp_path / "xyz/default/seed0/predictions.jsonl").unlink()
    found = compare(runs)
    assert found["pairs"][0]["unpaired"] == "the predictions of xyz cannot be read"
    assert "xyz: default/seed0/predictions.jsonl is missing" in found["problems"]


def test_the_page_and_the_figures(tmp_path: Path, call: Call) -> None:
    runs = [write_run(tmp_path / "a&b", ("<b>x</b>".replace("/", "_"), "two"), (0, 1)), write_run(tmp_path / "c")]
    code, out, err = call(
        "compare", *runs, "--out", tmp_path / "out", "--figure-format", "pdf", "--figure-format", "png"
    )
    assert code == 0
    assert err == "warning: a&b: <b>x<_b> and c: default have equal recipes, but are not pooled: they share seed 0\n"
    files = {path.name for path in (tmp_path / "out").iterdir()}
    figures = {f"{name}.{form}" for name in ("curves", "alignments", "cost") for form in ("pdf", "png")}
    assert files == {"compare.html", "compare.json", *figures}
    page = (tmp_path / "out/compare.html").read_text()
    assert page.count("<svg") == 3
    assert "<b>x<_b>" not in page
    assert "a&amp;b: &lt;b&gt;x&lt;_b&gt;" in page
    assert "<script" not in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    found = json.loads((tmp_path / "out/compare.json").read_text())
    assert found["format"] == 1
    assert len(found["variants"]) == 3
    assert (tmp_path / "out/curves.pdf").read_bytes().startswith(b"%PDF")
    assert "FontFile2" in (tmp_path / "out/curves.pdf").read_bytes().decode("latin-1")  # TrueType, embedded
    assert "difference to a&b: <b>x<_b>, same examples" in out
    code, out, _ = call("compare", *runs, "--json", "--variant", "two", "--variant", "default")
    assert [variant["label"] for variant in json.loads(out)["variants"]] == ["a&b: two", "c: default"]


def test_readable_files_of_damaged_runs_are_compared(tmp_path: Path, call: Call) -> None:
    good, bad = write_run(tmp_path / "good"), write_run(tmp_path / "bad", seeds=(0, 1))
    (bad / "run.json").write_text("{")
    (bad / "default/resolved.yaml").write_text("a: [")
    (bad / "default/seed0/metrics.csv").write_bytes(b"\xff\xfe\0\0step")
    (bad / "default/seed0/alignments.npz").write_bytes(b"PK\x03\x04")
    (bad / "default/seed0/result.json").write_text('{"format": 1, "train_loss": "much"}')
    (bad / "default/seed1/predictions.jsonl").write_text('{"source": 3}\n')
    code, out, err = call("compare", good, bad, "--out", tmp_path / "out")
    assert code == 0
    assert "Traceback" not in err
    for name in ("run.json", "metrics.csv", "alignments.npz", "predictions.jsonl"):
        assert f"{name} " in err
    assert "bad: its resolved recipe cannot be read" in err
    page = (tmp_path / "out/compare.html").read_text()
    assert "Problems and notes" in page
    assert "train_loss" in out


def test_an_unfinished_run_is_compared(tmp_path: Path) -> None:
    found = compare([write_run(tmp_path / "a"), write_run(tmp_path / "b", finished=False)], out=tmp_path / "out")
    assert found["variants"][1]["seeds"] == {"0": "not finished"}
    assert found["metrics"]["token_accuracy"]["b"]["mean"] == 1.0
    assert "b: default, seed 0: not finished" in found["notes"]
    assert "alignments: b has no weights of example 0" in found["notes"]


def test_runs_of_equal_recipes_are_seeds_of_one_variant(tmp_path: Path) -> None:
    """Three seeds in two runs give what three seeds in one run give."""
    names = ("small", "large")
    parts = [write_run(tmp_path / "a", names, (0,)), write_run(tmp_path / "b", names, (1, 2))]
    found, whole = compare(parts), compare([write_run(tmp_path / "c", names, (0, 1, 2))])
    assert [(one["label"], list(one["seeds"])) for one in found["variants"]] == [
        (name, ["0", "1", "2"]) for name in names
    ]
    assert found["variants"][0]["runs"] == [str(tmp_path / "a"), str(tmp_path / "b")]
    for table in ("recipe", "metrics", "pairs", "cost"):
        assert found[table] == whole[table]


def test_pooled_runs_beside_others(tmp_path: Path) -> None:
    """One variant with all seeds may stand alone, and a name that does not tell two variants apart is no label."""
    parts = [write_run(tmp_path / "a", seeds=(0,)), write_run(tmp_path / "b", seeds=(1,))]
    alone = compare(parts)
    assert [one["label"] for one in alone["variants"]] == ["default"]
    assert list(alone["metrics"]["train_loss"]["default"]["seeds"]) == ["0", "1"]
    other = write_run(tmp_path / "c", seeds=(0, 1))
    recipe = other / "default/resolved.yaml"
    recipe.write_text(recipe.read_text().replace("size: 1", "size: 9"))
    assert [one["label"] for one in compare([*parts, other])["variants"]] == ["a and 1 more", "c"]
    shared = compare([*parts, write_run(tmp_path / "d", seeds=(1,))])
    assert [one["label"] for one in shared["variants"]] == ["a", "b", "d"]
    assert "a and b and d have equal recipes, but are not pooled: they share seed 1" in shared["notes"]


def test_the_baseline_is_chosen_by_name(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ("one", "two", "three"))
    found = compare([run], baseline="two")
    assert found["bootstrap"]["baseline"] == "two"
    assert [(pair["label"], pair["baseline"]) for pair in found["pairs"]] == [("one", "two"), ("three", "two")]


@pytest.mark.parametrize(
    ("names", "options", "error", "words"),
    [
        (["a"], {}, SeqtoolError, "a comparison needs two variants, but 1 can be read"),
        (["a", "a"], {}, MisuseError, "given twice"),
        (["a", "gone"], {}, SeqtoolError, "gone is not a run: there is no such folder"),
        (["a", "empty"], {}, SeqtoolError, "empty is not a run: it has no seeds"),
        (["a", "b"], {"variants": ["defualt"]}, MisuseError, "did you mean 'default'"),
        (["a", "b"], {"baseline": "bb"}, MisuseError, "no variant has the name 'bb'\n    did you mean 'b'"),
        (["a", "b"], {"baseline": "default"}, MisuseError, "several variants have the name 'default'"),
    ],
)
def test_invalid_arguments_of_compare(
    tmp_path: Path, names: list[str], options: dict[str, Any], error: type[SeqtoolError], words: str
) -> None:
    for name in ("a", "b"):
        write_run(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=words):
        compare([tmp_path / name for name in names], **options)


def test_runs_with_the_same_name_are_labelled_by_folder(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "x/run"), write_run(tmp_path / "y/run")]
    assert [variant["label"] for variant in compare(runs)["variants"]] == ["x/run", "y/run"]
    shutil.rmtree(tmp_path / "y")
    with pytest.raises(SeqtoolError, match="needs two variants"):
        compare(runs)
