"""TensorBoard files hold the rows of metrics.csv."""

from pathlib import Path

import pytest
from small_run import rows

import seqtool


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
def test_the_files_hold_the_rows(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=["train.tensorboard=true"])
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run/default/seed0/tensorboard"))
    events.Reload()
    found = {event.step: event.value for event in events.Scalars("train_loss")}
    wanted = {int(row["step"]): float(row["train_loss"]) for row in rows(tmp_path / "run/default/seed0")}
    assert found == pytest.approx(wanted)
    assert [event.step for event in events.Scalars("valid_loss")] == [25, 50, 60]
