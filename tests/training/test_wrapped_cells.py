"""Dropout, zoneout and stacks in encoder and decoder train, and resume exactly."""

from pathlib import Path

import pytest
from small_run import rows
from test_resume import same_run

import seqtool
from seqtool.errors import SeqtoolError

LAYER = "{type: zoneout, cell: {type: gru, hidden_size: 8}, output: 0.2, state: 0.2}"
DROPPED = f"{{type: variational_dropout, input: 0.2, recurrent: 0.2, cell: {LAYER}}}"
STACKED = f"{{type: stack, layers: 2, residual: true, cell: {DROPPED}}}"
CELLS = [f"model.encoder.cell={LAYER}", f"model.decoder.cell={STACKED}", "train.steps=60"]


def test_stacks_of_wrapped_cells_train_and_resume(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seqtool.run(small, out=tmp_path / "whole", overrides=CELLS)
    losses = [float(row["train_loss"]) for row in rows(tmp_path / "whole/default/seed0") if row["train_loss"]]
    assert losses[-1] < losses[0] - 0.05
    monkeypatch.setattr("seqtool.training.stopping.StopSignal.agreed", lambda self, trainer, step: step == 17)
    with pytest.raises(SeqtoolError, match="resume with"):
        seqtool.run(small, out=tmp_path / "parts", overrides=CELLS)
    monkeypatch.undo()
    seqtool.run(resume=tmp_path / "parts")
    same_run(tmp_path / "whole/default/seed0", tmp_path / "parts/default/seed0")
