"""Scheduled sampling in a run: draws depend on the step, so a resumed run has the same ones."""

from pathlib import Path

import pytest
from small_run import rows
from test_resume import same_run

import seqtool
from seqtool.errors import SeqtoolError


@pytest.mark.parametrize("per", ["token", "example"])
def test_scheduled_sampling_resumes_bit_for_bit(
    small: Path, tmp_path: Path, per: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = [f"train.scheduled_sampling={{schedule: {{type: linear, end: 0.2}}, per: {per}}}"]
    seqtool.run(small, out=tmp_path / "whole", overrides=change)
    monkeypatch.setattr("seqtool.training.stopping.StopSignal.agreed", lambda self, trainer, step: step == 20)
    with pytest.raises(SeqtoolError, match="resume with"):
        seqtool.run(small, out=tmp_path / "parts", overrides=change)
    monkeypatch.undo()
    seqtool.run(resume=tmp_path / "parts")
    same_run(tmp_path / "whole/default/seed0", tmp_path / "parts/default/seed0")
    seqtool.run(small, out=tmp_path / "taught")
    assert rows(tmp_path / "taught/default/seed0") != rows(tmp_path / "whole/default/seed0")


def test_probability_one_equals_teacher_forcing_bit_for_bit(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "taught")
    change = ["train.scheduled_sampling={schedule: {type: constant, value: 1}}"]
    seqtool.run(small, out=tmp_path / "sampled", overrides=change)
    same_run(tmp_path / "taught/default/seed0", tmp_path / "sampled/default/seed0")
