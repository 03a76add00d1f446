"""The committed gallery page, and the command that writes it from runs."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

from seqtool.errors import SeqtoolError
from seqtool.runs import SeedDirectory

SPEC = importlib.util.spec_from_file_location("gallery", Path(__file__).parent.parent / "docs" / "gallery.py")
assert SPEC is not None
assert SPEC.loader is not None
gallery = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(gallery)
PAGE = (gallery.FOLDER / "README.md").read_text()
SHORT = (
    "train.steps=2",
    "train.validation_batches=1",
    "train.validation_batch_size=16",
    "train.checkpoint_every=2",
)


def rows(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]


def test_page_has_every_comparison_and_its_pictures_exist() -> None:
    assert {path.stem for path in gallery.RECIPES.glob("*.yaml")} == {section.recipe for section in gallery.SECTIONS}
    pictures = re.findall(r"!\[[^\]]+\]\((.*?)\)", PAGE)
    assert {f"{name}.png" for section in gallery.SECTIONS for name, _, _ in section.pictures} == set(pictures)
    assert {path.name for path in gallery.FOLDER.iterdir()} == {*pictures, "README.md"}
    assert sum(path.stat().st_size for path in gallery.FOLDER.iterdir()) < 1_500_000
    for link in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (gallery.FOLDER / link).exists(), link
    for section in gallery.SECTIONS:
        assert section.text in PAGE, "run: python -m docs.gallery"


def test_numbers_agree_with_the_text() -> None:
    table = {row[0]: row[1:] for row in rows(PAGE)}
    assert float(table["attention"][3]) > float(table["no_attention"][3]) + 0.1
    assert float(table["dense"][4]) < 0.3, "dense weights cannot follow the alignment"
    assert all(float(table[name][2]) > 0.99 for name in ("h", "c", "h_and_c", "default"))
    assert int(table["context_alone"][0].replace(",", "")) < 2000


def test_exact_alignment_counts_largest_weights_on_gold_positions(tmp_path: Path) -> None:
    weights = np.zeros((2, 2, 4, 3))
    weights[0, :, [0, 1, 2, 3], [2, 1, 0, 1]] = 1
    weights[1, 0, :, 0], weights[1, 1, :, 2] = 0.4, 0.6  # the mean over heads is largest at 2
    gold = np.array([[2, 0, 0, -1, 1], [2, 1, 1, 1, 1]])
    np.savez(tmp_path / "alignments.npz", weights=weights, gold=gold, memory_mask=np.ones((2, 3), bool))
    lines = [{"predicted": list("abcd")}, {"predicted": list("ab")}]
    (tmp_path / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert gallery.exact_alignment(SeedDirectory(tmp_path)) == pytest.approx(3 / 5)


@pytest.mark.slow
def test_command_trains_missing_runs_and_reads_existing_ones(tmp_path: Path) -> None:
    runs, folder = tmp_path / "runs", tmp_path / "gallery"
    gallery.build(runs, folder, SHORT)
    page = (folder / "README.md").read_text()
    found = {path.name for path in folder.iterdir()}
    assert found == {path.name for path in gallery.FOLDER.iterdir()}
    assert len(rows(page)) == len(rows(PAGE))
    result = json.loads((runs / "dense_and_attention/dense/seed0/result.json").read_text())
    (row,) = (row for row in rows(page) if row[0] == "dense")
    assert row[1:5] == [
        f"{result['parameters']:,}",
        f"{result['train_loss']:.4f}",
        f"{result['token_accuracy']:.4f}",
        f"{result['sequence_accuracy']:.4f}",
    ]
    plan = json.loads((runs / "translation/run.json").read_text())
    assert any(plan["created"] in row for row in rows(page))
    assert any(plan["git"]["commit"][:12] in "".join(row) for row in rows(page)) or plan["git"] is None
    checkpoints = {path: path.stat().st_mtime_ns for path in runs.rglob("*.ckpt")}
    pictures = {path: path.read_bytes() for path in folder.glob("*.png")}
    gallery.build(runs, folder, SHORT)
    assert (folder / "README.md").read_text() == page
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*.ckpt")} == checkpoints
    assert {path: path.read_bytes() for path in folder.glob("*.png")} == pictures
    with pytest.raises(SeqtoolError, match="a run of another recipe"):
        gallery.finished_run(
            gallery.RECIPES / "gate_and_attention.yaml", runs / "gate_and_attention", ["train.steps=3"]
        )
