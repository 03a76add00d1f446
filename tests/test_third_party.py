"""A third-party plugin package: installed by pip, found, listed, explained, and trained from a recipe."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PROJECT = Path(__file__).parent / "third_party" / "seqtool-windowed"
RECIPE = PROJECT / "recipe.yaml"


def call(*arguments: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    inherited = os.environ.get("PYTHONPATH", "")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(path or ""), inherited]))}
    environment.pop("SEQTOOL_NO_PLUGINS", None)
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the package, without a network."""
    folder = tmp_path_factory.mktemp("third_party")
    shutil.copytree(PROJECT, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    target = folder / "site"
    flags = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = call("pip", "install", "--target", str(target), *flags, str(folder / "source"), cwd=folder)
    assert done.returncode == 0, done.stderr
    return target


def answer(site: Path, cwd: Path, *arguments: str) -> dict[str, object]:
    done = call("seqtool", *arguments, "--json", cwd=cwd, path=site)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    assert found["format"] == 1
    return found


def test_plugin_is_found_listed_and_explained_with_its_origin(site: Path, tmp_path: Path) -> None:
    plugins = answer(site, tmp_path, "plugins")["plugins"]
    assert isinstance(plugins, list)
    (plugin,) = [plugin for plugin in plugins if plugin["name"] == "windowed"]
    assert (plugin["distribution"], plugin["version"]) == ("seqtool-windowed", "0.3.0")
    assert (plugin["status"], plugin["parts"]) == ("ok", ["scorer/windowed:windowed", "verb/windowed:window"])
    listed = call("seqtool", "list", "scorer", cwd=tmp_path, path=site).stdout
    (line,) = [line for line in listed.splitlines() if line.startswith("scorer/windowed ")]
    assert line.endswith("windowed (seqtool-windowed 0.3.0)")
    described = answer(site, tmp_path, "describe", "scorer/windowed:windowed")
    assert "|j - r i| / w" in str(described["equation"])
    options = described["options"]
    assert isinstance(options, list)
    assert [(option["name"], option["type"], option["default"]) for option in options] == [
        ("speed", "float > 0", "1.0"),
        ("width", "float > 0", "5.0"),
    ]


def test_verb_of_the_plugin_is_listed_described_and_run(site: Path, tmp_path: Path) -> None:
    shown = call("seqtool", "--help", cwd=tmp_path, path=site).stdout
    own, others = shown.split("Verbs of other plugins:\n")
    assert "  predict " in own
    assert "  window  Print a window's penalties. (seqtool-windowed 0.3.0)\n" in others
    done = call("seqtool", "window", "--step", "2", "--width", "2", "--length", "4", cwd=tmp_path, path=site)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 0.5 0 0.5\n", "")
    wrong = call("seqtool", "window", "--width", "0", cwd=tmp_path, path=site)
    assert (wrong.returncode, wrong.stderr) == (1, "error: a width is above 0; got 0\n")
    described = answer(site, tmp_path, "describe", "verb/window")
    assert described["summary"] == "Print the window's penalty at each source position."
    assert "--step" in str(described["options"])


def test_plugin_trains_from_a_recipe(site: Path, tmp_path: Path) -> None:
    shutil.copy(RECIPE, tmp_path)
    result = answer(site, tmp_path, "run", RECIPE.name, "--set", "train.steps=3", "--device", "cpu")
    variants = result["variants"]
    assert isinstance(variants, dict)
    (variant,) = variants.values()
    assert variant["seeds"]["0"]["steps"] == 3
    # 3 symbols: the loss at chance is log 3 = 1.10, and three steps change it little
    assert 0.5 < variant["seeds"]["0"]["train_loss"] < 2.5
    run = tmp_path / str(result["run"])
    assert "windowed:windowed" in "".join(path.read_text() for path in run.rglob("*.yaml"))


def test_without_the_plugin_the_error_names_what_is_missing(tmp_path: Path) -> None:
    shutil.copy(RECIPE, tmp_path)
    done = call("seqtool", "validate", RECIPE.name, cwd=tmp_path)
    assert done.returncode == 2
    assert "'windowed'" in done.stderr
    assert "recipe.yaml:10:" in done.stderr
    assert "Traceback" not in done.stderr


def test_scores_equal_the_equation_step_by_step_and_in_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT)
    from seqtool_windowed.scorer import Windowed

    B, S, T, Q, M = 2, 5, 3, 7, 11  # noqa: N806
    torch.manual_seed(0)
    scorer = Windowed(Q, M, speed=1.5, width=2.0).double()
    memory, query = torch.randn(B, S, M).double(), torch.randn(B, T, Q).double()
    fixed, state = scorer.start(memory, torch.ones(B, S, dtype=torch.bool))
    scores, _ = scorer.score(query, fixed, state)
    W = scorer.map.weight.tolist()  # noqa: N806
    for b in range(B):
        for i in range(T):
            for j in range(S):
                h, s = memory[b, j].tolist(), query[b, i].tolist()
                content = sum(s[q] * sum(W[q][m] * h[m] for m in range(M)) for q in range(Q))
                assert scores[b, i, j].item() == pytest.approx(content - abs(j - 1.5 * i) / 2.0, rel=1e-6)
    rows = []
    for i in range(T):
        row, state = scorer.score(query[:, i : i + 1], fixed, state)
        rows.append(row)
    torch.testing.assert_close(torch.cat(rows, 1), scores)
