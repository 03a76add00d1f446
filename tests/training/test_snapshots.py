"""Snapshots of attention weights during training, and the final validation sample."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import REVERSES

import seqtool
from seqtool.build.assembly import assemble
from seqtool.launch.plan import plan
from seqtool.runs import RunDirectory, SeedDirectory
from seqtool.training.snapshots import MAX_SNAPSHOTS, snapshot_steps


@pytest.mark.parametrize(
    ("steps", "every", "kept"),
    [(60, 25, {25, 50, 60}), (50, 25, {25, 50}), (10, 250, {10}), (24, 1, set(range(1, 25)))],
)
def test_a_snapshot_follows_every_validation(steps: int, every: int, kept: set[int]) -> None:
    assert snapshot_steps(steps, every) == kept


@pytest.mark.parametrize(("steps", "every"), [(25, 1), (100_000, 250), (99_999, 10)])
def test_snapshots_of_long_runs_are_thinned_evenly(steps: int, every: int) -> None:
    kept = sorted(snapshot_steps(steps, every))
    assert len(kept) == MAX_SNAPSHOTS
    assert (kept[0], kept[-1]) == (every, steps)
    gaps = np.diff(kept)
    assert gaps.max() - gaps.min() <= 2 * every


def place_of(run: Path) -> SeedDirectory:
    return RunDirectory.open(run).seed("default", 0)


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def test_snapshots_contain_the_weights_at_their_step(small: Path, tmp_path: Path) -> None:
    """The last snapshot equals the weights computed from the last checkpoint."""
    seqtool.run(small, out=tmp_path / "run")
    place = place_of(tmp_path / "run")
    assert place.snapshot_steps() == [25, 50, 60]
    (variant,) = plan(small).variants.values()
    assembly = assemble(variant, 0)
    state = torch.load(place.last_checkpoint, weights_only=True)["state_dict"]
    assembly.model.load_state_dict(
        {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
    )
    batch = assembly.task.batch("valid", 0, seed=0, rank=0, batch_size=16, device=torch.device("cpu"))
    with torch.no_grad():
        logits, weights = assembly.model.eval()(batch)
    found = arrays(place.snapshot(60))
    assert found["weights"].shape == weights[:8].shape
    kept = found["weights"] * found["scale"][:, :, None, None] / 255
    real = batch.target_mask[:8].numpy()
    assert np.abs(kept - weights[:8].numpy()).swapaxes(1, 2)[real].max() < 0.002
    assert np.array_equal(found["memory_mask"], batch.source_mask[:8])
    assert np.array_equal(found["gold"], batch.alignment[:8])
    assert np.array_equal(found["right"], ((logits.argmax(-1) == batch.target) & batch.target_mask)[:8])
    early = arrays(place.snapshot(25))
    assert not np.array_equal(early["weights"], found["weights"])


def test_examples_of_snapshots_are_the_first_predictions(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=["train.steps=2"])
    place = place_of(tmp_path / "run")
    watched = [json.loads(line) for line in place.snapshot_examples.read_text().splitlines()]
    predicted = place.read_predictions()
    assert watched == [{key: line[key] for key in ("source", "target")} for line in predicted[:8]]


def test_without_attention_there_are_no_snapshots(small: Path, tmp_path: Path) -> None:
    plain = "model.decoder={type: plain, cell: {type: gru, hidden_size: 8}, bridge: linear}"
    seqtool.run(small, out=tmp_path / "run", overrides=["train.steps=2", plain])
    assert not place_of(tmp_path / "run").snapshots.exists()


def test_early_stopping_leaves_a_snapshot_of_its_last_step(small: Path, tmp_path: Path) -> None:
    change = ["train.early_stopping={patience: 1, min_delta: 10.0}", "train.validate_every=5", "train.steps=5000"]
    seqtool.run(small, out=tmp_path / "run", overrides=change)
    assert place_of(tmp_path / "run").snapshot_steps() == [5, 10]


def test_restarting_a_seed_removes_older_snapshots(tmp_path: Path) -> None:
    place = SeedDirectory(tmp_path / "seed0")
    place.snapshots.mkdir(parents=True)
    place.metrics.write_text("step,seconds\n10,1\n20,2\n")
    for step in (10, 20):
        place.snapshot(step).write_bytes(b"")
    (place.snapshots / ".30.npz.7.tmp").write_bytes(b"half")
    place.prepare(["step", "seconds"], 10)
    assert [path.name for path in place.snapshots.iterdir()] == ["10.npz"]
    place.prepare(["step", "seconds"], 0)
    assert not list(place.snapshots.iterdir())


def test_the_final_sample_has_up_to_200_examples(small: Path, tmp_path: Path) -> None:
    change = ["train.steps=2", "train.validation_batches=9", "train.validation_batch_size=30"]
    seqtool.run(small, out=tmp_path / "run", overrides=change)
    place = place_of(tmp_path / "run")
    lines, found = place.read_predictions(), arrays(place.alignments)
    assert len(lines) == 200
    assert {array.shape[0] for array in found.values()} == {200}
    sources = {tuple(line["source"]) for line in lines}
    assert len(sources) > 195, "each example occurs once"
    for line, mask in zip(lines, found["memory_mask"], strict=True):
        assert mask.sum() == len(line["source"])
        assert line["exact"] == (line["predicted"] == line["target"])


def test_exact_agrees_with_the_measure_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "reverses.yaml"
    path.write_text(REVERSES)
    shares = []
    for steps in (20, 120):
        out = tmp_path / str(steps)
        seqtool.run(path, out=out, overrides=[f"train.steps={steps}"])
        place = RunDirectory.open(out).seed("default", 3)
        lines = place.read_predictions()
        assert len(lines) == 60
        shares.append(sum(line["exact"] for line in lines) / len(lines))
        assert shares[-1] == pytest.approx(place.read_result()["sequence_accuracy"], abs=1e-9)
    assert shares[0] < 1
    assert shares[1] > 0


def test_a_run_ends_with_its_report(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=["train.steps=2"])
    page = (tmp_path / "run/report.html").read_text()
    assert "small" in page
    assert "What could not be read" not in page
    environment = json.loads((tmp_path / "run/default/seed0/environment.json").read_text())
    within = environment["parameters_within"]
    assert sum(within.values()) == place_of(tmp_path / "run").read_result()["parameters"]
    assert "decoder.cell" in " ".join(within)
