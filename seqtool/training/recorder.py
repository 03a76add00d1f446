"""What a run leaves behind while it trains: rows, checkpoints, and the moment to stop."""

import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from seqtool.errors import SeqtoolError
from seqtool.runs import FORMAT, SeedDirectory
from seqtool.training.lightning_module import SequenceModule
from seqtool.training.snapshots import Glimpse, snapshot_steps, write_snapshot
from seqtool.training.stopping import Interrupted, StopSignal

LAST_LOSSES = 20


class Recorder(pl.callbacks.Checkpoint):
    """Fetches what the module measured, writes rows and checkpoints, and notices a wish to stop.

    A checkpoint is only written when its step is wholly done, validation included, so a resumed run begins
    with the next step. The steps since the last row are in it, so that no row depends on where the kill was.
    """

    def __init__(
        self,
        directory: SeedDirectory | None,
        fingerprint: str,
        stop: StopSignal,
        listeners: Sequence[Callable[[dict[str, float]], None]] = (),
    ) -> None:
        self.directory = directory
        self.fingerprint = fingerprint
        self.stop = stop
        self.listeners = listeners
        self.viewers: Sequence[Callable[[int, Glimpse], None]] = ()
        self.finished = False
        self.last_losses: deque[float] = deque(maxlen=LAST_LOSSES)
        self.open_sums: list[list[float]] = []
        self.best: dict[str, float] = {}
        self.last_valid: dict[str, float] = {}
        self.step = 0
        self._looked = False
        self.seconds_before = 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds of training, validation included, and those before a resume."""
        return self.seconds_before + (time.perf_counter() - self._started if self._started else 0.0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After the first backward: a parameter without a gradient is never trained, and several ranks would fail."""
        if self._looked:
            return
        self._looked = True
        idle = [name for name, value in pl_module.named_parameters() if value.requires_grad and value.grad is None]
        if idle:
            message = f"no gradient reaches {', '.join(idle)}: what they belong to is not used"
            if trainer.world_size > 1:
                raise SeqtoolError(f"{message}, and several processes cannot train that")
            warnings.warn(message, stacklevel=2)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Row, checkpoint and stop, unless a validation comes first and does them."""
        assert isinstance(pl_module, SequenceModule)
        train, step = pl_module.options, trainer.global_step
        if step == train.steps:
            trainer.should_stop = True
        if step == train.steps or step % train.validate_every == 0:
            return
        if step % train.log_every == 0:
            self._fetch(pl_module, step)
            self._write_row(trainer, pl_module, {})
        wanted = self.stop.agreed(trainer, step)
        if wanted or (train.checkpoint_every and step % train.checkpoint_every == 0):
            self._fetch(pl_module, step)
            self._save(trainer)
        if wanted:
            raise Interrupted

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The step is wholly done: row, checkpoints, stop."""
        assert isinstance(pl_module, SequenceModule)
        train, step = pl_module.options, trainer.global_step
        self._fetch(pl_module, step)
        if not math.isfinite(pl_module.valid_values["valid_loss"]):
            raise _diverged(pl_module, step, "validation loss")
        self.last_valid = {name: value for name, value in pl_module.valid_values.items() if not math.isnan(value)}
        if train.monitor not in self.last_valid:
            raise SeqtoolError(
                f"{pl_module.options.label}: nothing could be measured as {train.monitor}, which "
                f"train.monitor goes by\n    allowed: {', '.join(self.last_valid)}"
            )
        self._write_row(trainer, pl_module, self.last_valid)
        wanted = trainer.should_stop or step in snapshot_steps(train.steps, train.validate_every)
        if wanted and self.directory and pl_module.glimpse:
            write_snapshot(self.directory, step, pl_module.glimpse, pl_module.assembly.task)
            for viewer in self.viewers:
                viewer(step, pl_module.glimpse)
        if trainer.should_stop:
            self.finished, self.seconds_before, self._started = True, self.seconds, None
        value, best = self.last_valid[train.monitor], self.best.get(train.monitor)
        if best is None or (value > best if pl_module.higher_is_better(train.monitor) else value < best):
            self.best = {"step": step, **self.last_valid}
            self._save(trainer, best=True)
        self._save(trainer)
        if not self.finished and self.stop.agreed(trainer, step):
            raise Interrupted

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Name the recipe it belongs to. Lightning's loop counters stay out: they tell where in a step it was."""
        checkpoint["seqtool"] = {"format": FORMAT, "fingerprint": self.fingerprint}
        del checkpoint["loops"]

    def state_dict(self) -> dict[str, Any]:
        """All that the rows to come depend on."""
        return {
            "finished": self.finished,
            "last_losses": list(self.last_losses),
            "open_sums": self.open_sums,
            "best": self.best,
            "last_valid": self.last_valid,
            "step": self.step,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a checkpoint was written."""
        self.finished = state_dict["finished"]
        self.last_losses.extend(state_dict["last_losses"])
        self.open_sums = list(state_dict["open_sums"])
        self.best = state_dict["best"]
        self.last_valid = state_dict["last_valid"]
        self.step = state_dict["step"]
        self.seconds_before = state_dict["seconds"]

    def _fetch(self, module: SequenceModule, step: int) -> None:
        """Bring the sums of the steps since the last time from the device, all at once."""
        if not module.step_sums:
            return
        self.step = step
        columns = [torch.stack(column).float() for column in zip(*module.step_sums, strict=True)]
        sums = torch.stack(columns, 1).tolist()
        module.step_sums.clear()
        self.open_sums += sums
        self.last_losses.extend(step_loss(row) for row in sums)
        if not all(math.isfinite(row[0]) for row in sums):
            raise _diverged(module, step, "loss")

    def _write_row(self, trainer: pl.Trainer, module: SequenceModule, valid: dict[str, float]) -> None:
        """One row over the steps since the last one, and whatever was validated."""
        step, rows = trainer.global_step, self.open_sums
        assert rows, "a row follows at least one step"
        row: dict[str, float] = {
            "step": step,
            "train_loss": sum(map(step_loss, rows)) / len(rows),
            **({"train_token_accuracy": _accuracy(rows)} if module.symbols else {}),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            **valid,
            "seconds": round(self.seconds, 3),
        }
        self.open_sums = []
        if self.directory:
            self.directory.append_metrics([row])
        for listener in self.listeners:
            listener(row)

    def _save(self, trainer: pl.Trainer, best: bool = False) -> None:
        """Every rank takes part in a checkpoint, rank 0 writes it; the path of the others is not looked at."""
        directory = self.directory or SeedDirectory(Path("unused"))
        trainer.save_checkpoint(directory.best if best else directory.last)


def _diverged(module: SequenceModule, step: int, what: str) -> SeqtoolError:
    return SeqtoolError(
        f"{module.options.label}: the {what} is no longer finite at step {step}\n"
        "    try a lower train.optimizer.lr, or train.clip_norm: 1.0"
    )


def _accuracy(rows: list[list[float]]) -> float:
    """The share of right tokens from each step's `[summed loss, tokens, right ones]`."""
    return sum(row[2] for row in rows) / max(1.0, sum(row[1] for row in rows))


def step_loss(sums: list[float]) -> float:
    """A step's mean loss over real tokens from its `[summed loss, tokens, right ones]`."""
    return sums[0] / max(1.0, sums[1])
