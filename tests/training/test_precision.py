"""Training works in every precision that a CPU supports."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import seqtool
from seqtool.errors import RecipeError
from seqtool.nn.model import Seq2Seq


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_trains(small: Path, tmp_path: Path, precision: str) -> None:
    optimizer = ["train.optimizer.fused=false", "train.optimizer.lr=3e-2"]
    change = [f"train.precision={precision}", *optimizer, "train.steps=60", "train.validate_every=60"]
    figures = seqtool.run(small, out=tmp_path / "run", overrides=change)["variants"]["default"]["seeds"]["0"]
    assert figures["train_loss"] < 0.9 * math.log(3)  # chance of three symbols
    environment = json.loads((tmp_path / "run/default/seed0/environment.json").read_text())
    assert environment["precision"] == precision
    assert environment["seed"] == 0


def test_a_precision_that_is_replaced_is_recorded(small: Path, tmp_path: Path) -> None:
    change = ["train.precision=16-mixed", "train.clip_norm=null", "train.steps=1"]
    with pytest.warns(UserWarning, match="fp16 is not supported on CPU"):
        seqtool.run(small, out=tmp_path / "run", overrides=change)
    environment = json.loads((tmp_path / "run/default/seed0/environment.json").read_text())
    assert environment["precision"] == "bf16-mixed"


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed", "64-true"])
def test_a_precision_that_the_processor_lacks_is_refused_before_files_are_written(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, backward: bool
) -> None:
    """As torch's LSTM without bfloat16 instructions: it fails forward, on some processors only backward."""
    forward = Seq2Seq.forward

    def lacking(_: torch.Tensor | None = None) -> None:
        raise RuntimeError("could not create a primitive descriptor")

    def called(model: Seq2Seq, *given: Any) -> Any:
        logits, weights = forward(model, *given)
        if logits.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            if not backward:
                lacking()
            logits.register_hook(lacking)
        return logits, weights

    monkeypatch.setattr(Seq2Seq, "forward", called)
    with pytest.raises(RecipeError, match="could not create a primitive descriptor") as caught:
        seqtool.run(small, out=tmp_path / "run", overrides=[f"train.precision={precision}"])
    (problem,) = caught.value.problems
    assert (problem.path, problem.allowed) == (("train", "precision"), "32-true")
    assert not (tmp_path / "run").exists()
    assert torch.get_default_dtype() == torch.float32
