"""The report's figures, for runs with known figures."""

import base64
import json
import re
import subprocess
import sys
import zlib
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from made_run import made_run, write_arrays, write_lines

from seqtool.analysis.report import write_report
from seqtool.analysis.report.curves import MAX_POINTS, curves
from seqtool.analysis.report.examples import MAX_MISTAKES, by_length, mistakes
from seqtool.analysis.report.packing import FINAL, pack_seed, right_symbols
from seqtool.analysis.report.page import render
from seqtool.analysis.report.recipe_differences import differences
from seqtool.analysis.report.visible_symbols import visible
from seqtool.cli import main
from seqtool.errors import SeqtoolError
from seqtool.runs.contents import Example, Run, Seed
from seqtool.runs.read import read_run


def unpacked(text: str) -> tuple[dict, bytes]:
    """Unpack as the page's script does."""
    content = zlib.decompress(base64.b64decode(text))
    length = int.from_bytes(content[:4], "little")
    return json.loads(content[4 : 4 + length]), content[4 + length :]


def example(target: str, predicted: str, source: str = "abcd") -> Example:
    return Example(list(source), list(target), list(predicted), None, target == predicted)


def test_a_curve_is_the_mean_of_seeds_and_the_band_their_range() -> None:
    seeds = [Seed("v", k, rows={"train_loss": {10: 1.0 + k, 20: 4.0 * k}}) for k in (0, 1, 2)]
    seeds[2].rows["train_loss"].pop(20)
    (curve,) = curves({"v": seeds, "none": []})
    assert (curve["name"], curve["steps"], curve["averaged"]) == ("train_loss", [10, 20], False)
    (line,) = curve["lines"]
    assert (line["mean"], line["low"], line["high"]) == ([2.0, 2.0], [1.0, 0.0], [3.0, 4.0])


def test_every_column_except_seconds_is_a_curve() -> None:
    rows = {name: {1: 0.5} for name in ("seconds", "valid_entropy", "train_loss", "learning_rate", "valid_aer")}
    found = [curve["name"] for curve in curves({"v": [Seed("v", 0, rows=rows)]})]
    assert found == ["train_loss", "valid_entropy", "learning_rate", "valid_aer"]


def test_a_long_curve_is_averaged_over_neighbours() -> None:
    rows = {"train_loss": {step: float(step) for step in range(1, 3 * MAX_POINTS + 1)}}
    (curve,) = curves({"v": [Seed("v", 0, rows=rows)]})
    assert (len(curve["steps"]), curve["averaged"]) == (MAX_POINTS, True)
    assert (curve["steps"][:2], curve["lines"][0]["mean"][:2]) == ([3, 6], [2.0, 5.0])


def test_accuracy_by_length_counts_exact_sequences_and_correct_symbols() -> None:
    one = Seed("v", 0, examples=[example("ab", "ab"), example("cd", "cx"), example("abcd", "abcd")])
    two = Seed("v", 1, examples=[example("ab", "ab"), example("cd", "cd"), example("abcd", "a")])
    short, long = by_length({"v": [one, two]})["v"]
    assert (short.label, short.examples, short.exact, short.symbols) == ("2", 2, [0.5, 1.0], [0.75, 1.0])
    assert (long.label, long.examples, long.exact, long.symbols) == ("4", 1, [1.0, 0.0], [1.0, 0.25])


def test_many_lengths_are_grouped_into_ranges() -> None:
    seed = Seed("v", 0, examples=[example("a" * length, "a" * length) for length in range(3, 28)])
    groups = by_length({"v": [seed]})["v"]
    assert [group.label for group in groups][:2] == ["3 to 5", "6 to 8"]
    assert sum(group.examples for group in groups) == 25
    assert len(groups) <= 10


def test_errors_are_collected_from_all_seeds_in_turn() -> None:
    seeds = [Seed("v", k, examples=[example("ab", "ab"), example("ab", "ba"), example("ab", "b")]) for k in (4, 7)]
    shown, wrong, known = mistakes(seeds)
    assert (wrong, known) == (4, 6)
    assert [(one.seed, one.number) for one in shown] == [(4, 1), (7, 1), (4, 2), (7, 2)]
    assert shown[0].predicted == [("b", False), ("a", False)]
    assert shown[2].predicted == [("b", True)]


def test_all_errors_are_listed_and_an_omission_is_stated(tmp_path: Path) -> None:
    wrong = [example("ab", "ba") for _ in range(MAX_MISTAKES + 3)]
    assert len(mistakes([Seed("v", 0, examples=wrong[:11])])[0]) == 11
    assert len(mistakes([Seed("v", 0, examples=wrong)])[0]) == MAX_MISTAKES
    for count, words in (
        (8, "8 shown</span>"),
        (11, "show all 11</button>"),
        (MAX_MISTAKES + 3, "8 shown; the page has the first 200 of 203</span>"),
    ):
        page = render(Run(tmp_path, variants={"v": [Seed("v", 0, examples=wrong[:count])]}))
        assert words in page
        assert page.count('<article class="mistake">') == min(count, MAX_MISTAKES)


def test_correct_symbols_of_predictions_with_another_length() -> None:
    assert right_symbols("abcd", "abxd") == [True, True, False, True]
    assert right_symbols("abcd", "bcd") == [True, True, True]
    assert right_symbols("abcd", "axbcd") == [True, False, True, True, True]
    assert right_symbols("", "a") == [False]
    # Keeping a, b, c, d takes 10 edits; keeping the longest common block, "xyz", takes 15.
    assert right_symbols("xyzapbqcrd", "a1b2c3d4xyz") == [True, False] * 4 + [False] * 3


def test_packed_weights_equal_those_of_the_run(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", seeds=[0])
    (seed, _) = read_run(run.path).seeds
    header, content = unpacked(pack_seed(seed, 10**6))
    assert [header["symbols"][i] for i in header["examples"][3]["source"]] == seed.examples[3].source
    steps = [look["step"] for look in header["views"][0]]
    assert steps == [25, 50, 100, FINAL]
    assert [len(looks) for looks in header["views"]] == [4] * 8 + [1] * 4
    for row, looks in enumerate(header["views"]):
        for look in looks:
            heads, target, memory = look["shape"]
            levels = np.frombuffer(content, np.uint8, heads * target * memory, look["at"]).reshape(look["shape"])
            weights = levels * np.array(look["scale"])[:, None, None] / 255
            wanted = seed.attention if look["step"] == FINAL else seed.snapshots[look["step"]]
            assert np.abs(weights - wanted.weights[row]).max() <= wanted.weights[row].max() / 255
            assert look["gold"] == wanted.gold[row].tolist()


def test_weights_of_later_examples_are_omitted_if_too_large(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", variants=["v"], seeds=[0], examples=30, dense=True)
    (seed,) = read_run(run.path).seeds
    header, content = unpacked(pack_seed(seed, 6000))
    kept = [bool(looks) for looks in header["views"]]
    assert kept == sorted(kept, reverse=True)
    assert 0 < sum(kept) < 30
    assert header["omitted"] == 30 - sum(kept)
    assert len(header["examples"]) == 30
    assert len(zlib.compress(content)) < 6000


def test_later_examples_are_omitted_if_symbols_are_too_large() -> None:
    seed = Seed("v", 0, examples=[example([f"{i}" * 100], [f"{i}" * 100]) for i in range(10)])
    header, _ = unpacked(pack_seed(seed, 3 * 450))
    assert (len(header["examples"]), header["total"]) == (4, 10)


def test_differences_are_the_values_that_differ() -> None:
    texts = {
        "a": "model: {cell: {size: 1e-3, on: true}, list: [1, 2]}\nname: x\n",
        "b": "model: {cell: {size: 0.001}, list: [1, 3]}\nname: x\n",
        "broken": "model: [",
        "bomb": "a: &a [x, x]\nb: [*a, *a]\n",
    }
    rows, unreadable = differences(texts)
    assert rows == [
        ("model.cell.size", {"a": "1e-3", "b": "0.001"}),
        ("model.cell.on", {"a": "true"}),
        ("model.list", {"a": "[1, 2]", "b": "[1, 3]"}),
    ]
    assert unreadable == ["broken", "bomb"]


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        ("a", "a"),
        ("", "∅"),
        (" ", "␣"),
        ("a b", "a b"),
        ("a\nb", "a↵b"),
        ("\u0301", "◌\u0301"),
        ("e\u0301", "e\u0301"),
        ("\u202egnp", "⟨U+202E⟩gnp"),
        ("\u200d", "⟨U+200D⟩"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("\ud800", "⟨U+D800⟩"),
        ("\x1b[1m", "⟨U+001B⟩[1m"),
    ],
)
def test_invisible_symbols_are_named(symbol: str, shown: str) -> None:
    assert visible(symbol) == shown


def test_continuous_predictions_are_shown_without_errors(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", variants=["v"], seeds=[0], examples=2)
    line = {"source": [[0.25, 1.0], [0.5, 0.0]], "target": [[0.123456]], "predicted": [[0.12]], "score": None}
    write_lines(run.seed("v", 0).predictions, [{**line, "exact": None}] * 2)
    found = write_report(run.path)
    assert found.problems == []
    (seed,) = read_run(run.path).seeds
    assert (seed.examples[0].source, seed.examples[0].target) == (["(0.25, 1)", "(0.5, 0)"], ["0.1235"])
    assert (mistakes([seed]), by_length({"v": [seed]})) == (([], 0, 0), {})
    header, _ = unpacked(pack_seed(seed, 10**6))
    assert "right" not in header["examples"][0]
    assert all("right" not in look for looks in header["views"] for look in looks)


def test_results_of_interventions_are_shown_over_seeds(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", variants=["v", "w"], seeds=[0, 1], examples=2)
    for seed in (0, 1):
        effect = {"token_accuracy": {"value": {"value": 0.25 + 0.5 * seed, "low": 0, "high": 1}, "change": {}}}
        run.seed("v", seed).write_interventions({"measured": {"uniform": {"free_running": effect}}})
    run.seed("w", 0).write_interventions({"measured": {"own": {"free_running": [1]}, "gold": 3}})
    found = write_report(run.path)
    assert found.problems == []
    said = text_of(found.path.read_text())
    assert (
        "Attention interventions: v Intervention Token accuracy free-running uniform 0.5000 0.2500 \N{EN DASH} 0.7500"
        in said
    )
    assert "Attention interventions: w" not in said


def text_of(page: str) -> str:
    """The text of the page without scripts and tags."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def test_page_describes_the_run(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", heads={"attentive": 2, "other": 0})
    found = write_report(run.path)
    assert (found.path, found.problems, found.notes) == (run.path / "report.html", [], [])
    said = text_of(found.path.read_text())
    assert "2 variants, 4 of 4 seeds finished · started 2026-11-21 10:15 UTC" in said
    assert "attentive 2 0.0200 0.0200 0.9000 0.5000 other 2 0.1200" in said
    assert "model.decoder.heads attentive" not in said
    assert "model.decoder.heads 2 0" in said
    assert "attentive 42 10 32 100.0 100 10.0" in said
    assert "seqtool run made.yaml" in said


def test_report_imports_neither_torch_nor_a_model(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    code = (
        "import sys\nfrom pathlib import Path\nfrom seqtool.cli import main\n"
        f"try: main(['report', {str(run.path)!r}])\n"
        "finally: print([n for n in ('torch', 'pydantic', 'matplotlib', 'pytorch_lightning') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr


def test_report_is_reproducible(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    first = write_report(run.path).path.read_bytes()
    assert write_report(run.path, tmp_path / "other.html").path.read_bytes() == first


def test_three_variants_of_five_seeds_and_200_examples_fit(tmp_path: Path) -> None:
    run = made_run(
        tmp_path / "run", variants=["a", "b", "c"], seeds=range(5), examples=200, source=60, target=20, dense=True,
        heads=dict.fromkeys("abc", 1), snapshots=range(100, 2500, 100),
    )  # fmt: skip
    found = write_report(run.path)
    assert found.path.stat().st_size < 10_000_000
    assert found.problems == []


def test_verb_prints_the_path_and_the_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made_run(tmp_path / "run", variants=["v"], seeds=[0])
    with pytest.raises(SystemExit) as ended:
        main(["report", str(run.path), "--out", str(tmp_path / "page.html")])
    assert ended.value.code == 0
    assert capsys.readouterr() == (f"{tmp_path / 'page.html'}\n", "")
    run.seed("v", 0).metrics.unlink()
    run.seed("v", 0).result.unlink()
    with pytest.raises(SystemExit) as ended:
        main(["report", str(run.path), "--json"])
    said = capsys.readouterr()
    assert ended.value.code == 0
    problems, notes = ["v/seed0/metrics.csv is missing"], ["v, seed 0: not finished"]
    assert json.loads(said.out) == {
        "format": 1, "report": str(run.path / "report.html"), "problems": problems, "notes": notes,
    }  # fmt: skip
    assert said.err.splitlines() == [f"warning: {line}" for line in (*problems, *notes)]


@pytest.mark.parametrize("make", ["nothing", "empty", "file", "other"])
def test_other_folders_than_runs_are_refused(tmp_path: Path, make: str) -> None:
    place = tmp_path / "place"
    if make == "file":
        place.write_text("x")
    elif make != "nothing":
        place.mkdir()
    if make == "other":
        (place / "notes.txt").write_text("x")
    with pytest.raises(SeqtoolError, match="is not a run"):
        write_report(place)
    assert not (place / "report.html").exists()


def test_an_unwritable_page_is_reported(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    with pytest.raises(SeqtoolError, match="cannot write"):
        write_report(run.path, tmp_path / "no/such/folder.html")


def test_symbols_that_contain_script_tags_are_escaped(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", variants=["v"], seeds=[0], examples=1)
    hostile = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "'\"", "x" * 10_000]
    line = {"source": hostile, "target": hostile[:2], "predicted": hostile[1:3], "exact": False}
    write_lines(run.seed("v", 0).predictions, [line])
    write_arrays(run.seed("v", 0).alignments, {"gold": np.array([[0, 1]])})
    page = write_report(run.path).path.read_text()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "x" * 201 not in page
