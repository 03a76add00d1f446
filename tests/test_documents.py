"""The examples and commands in README and docs work."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import seqtool
from seqtool.build.check import check
from seqtool.build.device_support import TESTED
from seqtool.cli import main
from seqtool.recipe.train_options import TrainOptions
from seqtool.registry import default_registry
from seqtool.registry.kinds import KINDS
from seqtool.registry.signature import read_constructor
from seqtool.verification.claim import load_claim

ROOT = Path(__file__).parent.parent


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of one language in a document."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)


def test_recipe_in_readme_equals_the_bundled_one(tmp_path: Path) -> None:
    (tmp_path / "readme.yaml").write_text(blocks("README.md", "yaml")[0])
    shown, bundled = (
        seqtool.load_recipe(tmp_path / "readme.yaml"),
        seqtool.load_recipe(ROOT / "recipes/align_60_20.yaml"),
    )
    assert {name: v.data for name, v in shown.variants.items()} == {n: v.data for n, v in bundled.variants.items()}


def test_scorer_in_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = blocks("README.md", "python")[0]
    assert scorer.startswith("# my_scorer.py")
    assert len(scorer.splitlines()) <= 32
    (tmp_path / "my_scorer.py").write_text(scorer)
    (line,) = (line for line in (ROOT / "README.md").read_text().splitlines() if "-p my_scorer" in line)
    command = line.replace("seqtool ", f"{sys.executable} -m seqtool ", 1)
    small = "--set train.steps=2 --set train.validation_batches=1 --quiet --out out"
    done = subprocess.run(f"{command} {small}", shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "temperature: 0.5" in (tmp_path / "out/default/resolved.yaml").read_text()


def test_python_in_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = blocks("README.md", "python")[1].replace("train.steps=200", "train.steps=2")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["context"].shape == (8, 1, 64)
    assert (tmp_path / "runs/align_60_20").is_dir()


def test_error_message_in_readme_is_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (shown,) = (block for block in blocks("README.md", "text") if block.startswith("error: my.yaml"))
    place = re.match(r"error: my\.yaml:(\d+):(\d+): ", shown)
    assert place
    monkeypatch.chdir(tmp_path)
    text = (
        (ROOT / "recipes/align_60_20_additive.yaml")
        .read_text()
        .replace("hidden_size: 32}\n    att", "hidden_sise: 32}\n    att")
    )
    Path("my.yaml").write_text(text)
    with pytest.raises(SystemExit):
        main(["validate", "my.yaml"])
    assert capsys.readouterr().err == shown


def test_recipe_in_docs_is_valid(tmp_path: Path) -> None:
    (tmp_path / "doc.yaml").write_text(blocks("docs/recipes.md", "yaml")[0])
    recipe = seqtool.load_recipe(tmp_path / "doc.yaml")
    check(recipe)
    assert set(recipe.variants) == {"additive", "dot"}


def test_claim_in_docs_is_valid(tmp_path: Path) -> None:
    (claim,) = blocks("docs/verify.md", "yaml")
    (tmp_path / "claim.yaml").write_text(claim)
    found = load_claim(tmp_path / "claim.yaml", default_registry())
    assert found.recipe == ROOT / "recipes/tasks/scan_length.yaml"
    assert [measure.band for measure in found.measures] == ["mean 0.05 to 0.3", ">= 0.95", "reported"]


def test_scorer_in_docs_passes_the_contract_suite(tmp_path: Path) -> None:
    shown = blocks("docs/plugins.md", "python")
    for block in shown:
        if named := re.match(r'"""(my_scorers/\w+\.py)"""', block):
            (tmp_path / named[1]).parent.mkdir(exist_ok=True)
            (tmp_path / named[1]).write_text(block)
    (test,) = [block for block in shown if "check_scorer" in block]
    (tmp_path / "test_mine.py").write_text(test)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    listed = subprocess.run(
        [sys.executable, "-m", "seqtool", "list", "scorer", "-p", "my_scorers"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "scorer/bilinear" in listed.stdout


def test_every_train_option_is_documented() -> None:
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs/recipes.md").read_text()))
    assert {option.name for option in read_constructor(TrainOptions).options} <= documented


def test_every_kind_is_documented() -> None:
    rows = re.findall(r"^\| (\w+) \|", (ROOT / "docs/plugins.md").read_text(), re.MULTILINE)
    assert set(KINDS) <= set(rows)


def test_links_have_targets() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    folders = {document.relative_to(ROOT).parts[:2] for document in documents}
    assert {("README.md",), ("docs", "plugins.md"), ("docs", "parts"), ("docs", "gallery")} <= folders
    for document in documents:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert link.startswith("http") or (document.parent / link).exists(), f"{document.name}: {link}"


def test_tested_devices_in_docs_are_complete() -> None:
    text = (ROOT / "docs/devices.md").read_text()
    assert re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", text, re.MULTILINE) == [
        (kind, tested.what, tested.how) for kind, tested in TESTED.items()
    ]
