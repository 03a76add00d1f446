"""Reports of damaged, partial, foreign or unfinished runs show readable files and list the others."""

import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_run import made_run, write_arrays

from seqtool.analysis.report import Report, write_report
from seqtool.runs.read import RunReader, read_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(
        tmp_path_factory.mktemp("whole") / "run", examples=3, seeds=[0, 1], heads={"attentive": 2, "other": 0}
    ).path


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def listed(found: Report) -> str:
    """The page's own list equals the report's."""
    page = found.path.read_text()
    for line in (*found.problems, *found.notes):
        assert line.split(" (")[0].split("'")[0].split('"')[0].replace(">", "&gt;") in page
    return "\n".join(found.problems + found.notes)


def replace(path: str, content: bytes) -> Callable[[Path], object]:
    return lambda run: (run / path).write_bytes(content)


def cut(path: str, keep: float) -> Callable[[Path], object]:
    return lambda run: (run / path).write_bytes((run / path).read_bytes()[: int((run / path).stat().st_size * keep)])


def remove(path: str) -> Callable[[Path], object]:
    return lambda run: (run / path).unlink()


def arrays(path: str, **found: object) -> Callable[[Path], object]:
    return lambda run: write_arrays(run / path, {name: np.asarray(value) for name, value in found.items()})


def huge_array(path: str) -> Callable[[Path], object]:
    """An .npz file of which only the header claims 4 TiB."""

    def change(run: Path) -> None:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (1, 1, 1 << 20, 1 << 20)}
        )
        with zipfile.ZipFile(run / path, "w") as packed:
            packed.writestr("weights.npy", header.getvalue())

    return change


def plan(**changes: object) -> Callable[[Path], object]:
    def change(run: Path) -> None:
        (run / "run.json").write_text(json.dumps({**json.loads((run / "run.json").read_text()), **changes}))

    return change


SEED = "attentive/seed0"
DAMAGE = [
    (remove("run.json"), "run.json is missing"),
    (cut("run.json", 0.5), "run.json is not valid JSON"),
    (replace("run.json", b"[1, 2]"), "run.json contains no JSON object"),
    (replace("run.json", b"\xff\xfe\x00"), "run.json is not valid JSON"),
    (replace("run.json", b"[" * 100_000), "run.json is not valid JSON"),
    (plan(format=2), "run.json has format 2; this seqtool reads 1"),
    (plan(variants=["../../etc", "attentive", "other"]), "run.json has invalid variants: '../../etc'"),
    (plan(variants="attentive"), "run.json has invalid variants"),
    (plan(variants=["\ud800", "x" * 300]), "run.json has invalid variants"),
    (plan(seeds=[0, -1]), "run.json has invalid seeds: -1"),
    (plan(seeds={"count": 2}), "run.json has invalid seeds"),
    (plan(seeds=[10**400]), "run.json has invalid seeds"),
    (plan(seeds=[0, 1, 2]), "attentive, seed 2: not started"),
    (plan(recipe=3, created=[1], versions=7, plugins=["x", None], git="no", command={"a": 1}, overrides=0), ""),
    (remove("recipe.yaml"), "recipe.yaml is missing"),
    (remove("attentive/resolved.yaml"), "attentive/resolved.yaml is missing"),
    (replace("attentive/resolved.yaml", b"a: [\xff"), "attentive/resolved.yaml is not a valid recipe"),
    (replace("attentive/resolved.yaml", b"\x00\x01"), "attentive/resolved.yaml is not a valid recipe"),
    (remove(f"{SEED}/result.json"), "attentive, seed 0: not finished"),
    (cut(f"{SEED}/result.json", 0.7), f"{SEED}/result.json is not valid JSON"),
    (replace(f"{SEED}/result.json", b'{"train_loss": "low", "seconds": null, "x": NaN, "y": 1e999}'), ""),
    (remove(f"{SEED}/environment.json"), f"{SEED}/environment.json is missing"),
    (replace(f"{SEED}/environment.json", b'{"parameters": [1], "device": {"a": [2]}}'), ""),
    (remove(f"{SEED}/metrics.csv"), f"{SEED}/metrics.csv is missing"),
    (cut(f"{SEED}/metrics.csv", 0.5), f"{SEED}/metrics.csv ends with an incomplete row"),
    (replace(f"{SEED}/metrics.csv", b""), f"{SEED}/metrics.csv has no column `step`"),
    (replace(f"{SEED}/metrics.csv", b"step"), f"{SEED}/metrics.csv ends with an incomplete row"),
    (replace(f"{SEED}/metrics.csv", b"a,b\n1,2\n"), f"{SEED}/metrics.csv has no column `step`"),
    (replace(f"{SEED}/metrics.csv", b"step,x\n1,nan\n2,high\n3,1\nx,1\n5,1,1\n"), f"{SEED}/metrics.csv has 4 rows"),
    (replace(f"{SEED}/metrics.csv", b"\x00\xff\n" * 9), f"{SEED}/metrics.csv has no column `step`"),
    (
        replace(f"{SEED}/metrics.csv", b"step,x\n1," + b"9" * 200_000 + b"\n"),
        f"{SEED}/metrics.csv is not a valid table",
    ),
    (replace(f"{SEED}/metrics.csv", b"step," + b",".join(b"c%d" % i for i in range(99)) + b"\n"), "has 99 columns"),
    (remove(f"{SEED}/predictions.jsonl"), f"{SEED}/predictions.jsonl is missing"),
    (cut(f"{SEED}/predictions.jsonl", 0.5), f"{SEED}/predictions.jsonl line 2 is not valid JSON"),
    (
        replace(f"{SEED}/predictions.jsonl", b'{"source": 1}\n'),
        f"{SEED}/predictions.jsonl line 1 has no lists of symbols",
    ),
    (
        replace(f"{SEED}/predictions.jsonl", b'{"source": [], "target": [], "predicted": ["a", {}]}\n'),
        "not a list of symbols",
    ),
    (replace(f"{SEED}/predictions.jsonl", b'{"source": [], "target": [], "predicted": [], "score": 1e999}\n'), ""),
    (replace(f"{SEED}/predictions.jsonl", b""), ""),
    (remove(f"{SEED}/alignments.npz"), f"{SEED}/alignments.npz is missing"),
    (cut(f"{SEED}/alignments.npz", 0.6), f"{SEED}/alignments.npz is not a valid .npz file"),
    (replace(f"{SEED}/alignments.npz", b"PK\x03\x04 no zip"), f"{SEED}/alignments.npz is not a valid .npz file"),
    (replace(f"{SEED}/alignments.npz", b""), f"{SEED}/alignments.npz is not a valid .npz file"),
    (arrays(f"{SEED}/alignments.npz", weights=np.ones((2, 3))), "has weights with 2 dimensions instead of 4"),
    (arrays(f"{SEED}/alignments.npz", weights=np.ones((3, 0, 5, 12))), "has weights without heads"),
    (arrays(f"{SEED}/alignments.npz", weights=np.full((3, 1, 5, 12), np.nan)), "negative or not finite"),
    (arrays(f"{SEED}/alignments.npz", weights=np.full((3, 1, 5, 12), 1e300)), "has no valid `gold` for its weights"),
    (arrays(f"{SEED}/alignments.npz", weights=np.ones((9, 1, 1, 1)), gold=np.full((9, 1), 1.5)), "has no valid `gold`"),
    (
        arrays(f"{SEED}/alignments.npz", weights=np.zeros((1, 1, 1 << 13, (1 << 13) + 1), np.uint8)),
        "needs 268,468,224 bytes of memory, more than the limit of 268,435,456",
    ),
    (huge_array(f"{SEED}/snapshots/25.npz"), "needs 4,398,046,511,104 bytes of memory, more than the limit"),
    (
        replace(f"{SEED}/environment.json", b" " * (1 << 24) + b"{}"),
        "has 16,777,218 bytes of JSON, more than",
    ),
    (
        replace(f"{SEED}/predictions.jsonl", b'{"source": [], "target": []}\n' * 10_001),
        "has more than 10,000 examples; the others are omitted",
    ),
    (arrays(f"{SEED}/alignments.npz", weights=[["a"]]), "has an array `weights` that is not numeric"),
    (
        arrays(f"{SEED}/snapshots/25.npz", weights=np.ones((3, 1, 5, 12)), scale=np.ones(4)),
        "scale whose shape does not match",
    ),
    (
        arrays(f"{SEED}/snapshots/25.npz", weights=np.ones((3, 1, 5, 12)), right=np.full((3, 5), np.nan)),
        "has no valid `right`",
    ),
    (cut(f"{SEED}/snapshots/50.npz", 0.5), f"{SEED}/snapshots/50.npz is not a valid .npz file"),
    (remove(f"{SEED}/snapshots/examples.jsonl"), ""),
    (lambda run: shutil.rmtree(run / SEED), "attentive, seed 0: not started"),
    (
        lambda run: ((run / SEED / "metrics.csv").unlink(), (run / SEED / "metrics.csv").mkdir()),
        "metrics.csv is not a file",
    ),
    (lambda run: shutil.rmtree(run / "attentive"), "attentive/resolved.yaml is missing"),
    (lambda run: (run / "attentive").rename(run / "renamed"), "renamed"),
    (lambda run: (run / SEED).rename(run / "attentive/seed٣"), "attentive, seed 0: not started"),
]


@pytest.mark.parametrize(("damage", "told"), DAMAGE, ids=[f"{i}: {told}" for i, (_, told) in enumerate(DAMAGE)])
def test_unreadable_files_are_listed_and_others_shown(run: Path, damage: Callable[[Path], object], told: str) -> None:
    damage(run)
    found = write_report(run)
    said = listed(found)
    assert told in said or told in found.path.read_text()
    assert (said == "") == (told == "")
    assert "other" in found.path.read_text()
    others = read_run(run).variants["other"]
    assert all(seed.rows["train_loss"] and seed.examples and seed.result for seed in others if seed.seed < 2)


def test_the_arrays_of_a_run_share_a_limit_of_memory(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = RunReader(run)
    free = reader.free_bytes
    reader.read()
    monkeypatch.setattr("seqtool.runs.read.MAX_RUN_ARRAY_BYTES", (free - reader.free_bytes) // 2)
    found = read_run(run)
    assert any("bytes of memory, more than the limit of" in problem for problem in found.problems)
    assert any(seed.attention is not None for seed in found.seeds)


def test_a_complete_run_has_no_problems(run: Path) -> None:
    assert listed(write_report(run)) == ""


def test_an_unfinished_run_shows_its_progress(run: Path) -> None:
    place = run / SEED
    for name in ("result.json", "predictions.jsonl", "alignments.npz"):
        (place / name).unlink()
    (run / "result.json").unlink()
    found = write_report(run)
    assert (found.problems, found.notes) == ([], ["attentive, seed 0: not finished"])
    seed = read_run(run).variants["attentive"][0]
    assert list(seed.snapshots) == [25, 50, 100]
    assert len(seed.snapshot_examples) == 3
    assert max(seed.rows["train_loss"]) == 100


def test_a_folder_of_seeds_is_a_run_and_a_single_seed_is_not(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / SEED, tmp_path / "foreign/mine/seed7")
    found = write_report(tmp_path / "foreign")
    assert found.problems == ["run.json is missing", "recipe.yaml is missing", "mine/resolved.yaml is missing"]
    assert [seed.seed for seed in read_run(tmp_path / "foreign").variants["mine"]] == [7]


@pytest.mark.parametrize("seed", range(40))
def test_runs_with_random_damage(run: Path, seed: int) -> None:
    """A report is written even if files are cut, flipped, swapped, emptied or missing."""
    chance = random.Random(seed)
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.name != ".lock")
    for path in chance.sample(files, 6):
        content = bytearray(path.read_bytes())
        kind = chance.choice(["cut", "flip", "swap", "empty", "gone", "insert"])
        if kind == "cut":
            del content[chance.randrange(len(content) + 1) :]
        elif kind == "flip":
            for _ in range(chance.randint(1, 20)):
                content[chance.randrange(len(content))] = chance.randrange(256)
        elif kind == "swap":
            content = bytearray(chance.choice(files).read_bytes() if path.exists() else b"")
        elif kind == "empty":
            content.clear()
        elif kind == "insert":
            content[chance.randrange(len(content)) : 0] = chance.randbytes(9)
        path.write_bytes(content)
        if kind == "gone" and path.name != "run.json":
            path.unlink()
            files.remove(path)
    found = write_report(run)
    listed(found)
    assert found.path.read_text().endswith("</html>")
