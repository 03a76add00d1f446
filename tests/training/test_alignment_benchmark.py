"""The alignment benchmarks of docs/alignment.md: the attentive LSTM beats the encoder-decoder."""

from pathlib import Path
from typing import Any

import pytest

import seqtool


def losses(variant: dict[str, Any]) -> list[float]:
    return [seed["train_loss"] for seed in variant["seeds"].values()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "most", "low", "high"), [("align_60_20", 0.45, 0.90, 1.30), ("align_30_10", 0.35, 0.40, 0.75)]
)
def test_after_1000_steps(tmp_path: Path, recipe: str, most: float, low: float, high: float) -> None:
    """Mean training loss of the last 20 steps; chance is log 4 = 1.386."""
    variants = seqtool.run(recipe, out=tmp_path / "run", seeds=[0, 1, 2], device="cpu")["variants"]
    assert all(loss <= most for loss in losses(variants["attentive"])), losses(variants["attentive"])
    found = losses(variants["encoder_decoder"])
    assert all(low <= loss <= high for loss in found), found
    assert variants["attentive"]["parameters"] / variants["encoder_decoder"]["parameters"] == pytest.approx(
        0.6, abs=0.02
    )
    assert (tmp_path / "run/losses.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    "seed", [pytest.param(0, marks=pytest.mark.slow), *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2))]
)
def test_additive_attention_solves_it_within_4000_steps(tmp_path: Path, seed: int) -> None:
    result = seqtool.run("align_60_20_additive", out=tmp_path / "run", seeds=[seed], device="cpu")
    figures = result["variants"]["default"]["seeds"][str(seed)]
    assert figures["steps"] <= 4000
    assert figures["token_accuracy"] >= 0.995
    assert figures["alignment_near"] >= 0.9  # a recurrent encoder does not need exact alignment: docs/seeing.md
    assert figures["alignment_nearest"] >= 0.7
    assert figures["alignment_exact"] >= 0.65
    forced = seqtool.load(tmp_path / "run", seed=seed).intervene(only=["gold", "uniform", "shuffled"]).measured
    for mode in ("teacher_forced", "free_running"):
        assert forced["gold"][mode]["token_accuracy"].change.value >= 0
        for name in ("uniform", "shuffled"):
            assert forced[name][mode]["token_accuracy"].value.value < 0.4, "predictions depend on attention"
