"""Training works in every precision that a CPU supports."""

import json
from pathlib import Path

import pytest

import seqtool


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_trains(small: Path, tmp_path: Path, precision: str) -> None:
    change = [f"train.precision={precision}", "train.optimizer.fused=false", "train.steps=40"]
    figures = seqtool.run(small, out=tmp_path / "run", overrides=change)["variants"]["default"]["seeds"]["0"]
    assert 0.5 < figures["train_loss"] < 1.2
    environment = json.loads((tmp_path / "run/default/seed0/environment.json").read_text())
    assert environment["precision"] == precision
    assert environment["seed"] == 0
