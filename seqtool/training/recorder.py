"""The callback that writes metrics and checkpoints during training, and stops it on request."""

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
from seqtool.training.snapshots import Snapshot, snapshot_steps, write_snapshot
from seqtool.training.stopping import Interrupted, StopSignal

NUM_LAST_LOSSES = 20
"""`train_loss` in result.json is the mean over this many last steps."""
DIVERGED = 10.0
"""A loss that exceeds the loss of the first step, of the untrained model, by this factor is reported."""


class Recorder(pl.callbacks.Checkpoint):
    """Fetches measurements from the module, writes rows of metrics and checkpoints, and handles stop requests.

    A checkpoint is written only after its step is complete, validation included, so a resumed run starts with the next
    step. It contains the sums of the steps since the last row, so rows do not depend on where a run was interrupted.

    Attributes:
        open_sums: `[summed loss, tokens, correct tokens]` of each step since the last row.
        first_loss: the loss of step 1, to which later losses are compared.
        listeners: called with each row.
        snapshot_listeners: called with the step and the snapshot whenever a snapshot is written.
    """

    def __init__(
        self,
        directory: SeedDirectory | None,
        fingerprint: str,
        threads: int,
        stop: StopSignal,
        listeners: Sequence[Callable[[dict[str, float]], None]] = (),
    ) -> None:
        self.directory = directory
        self.fingerprint = fingerprint
        self.threads = threads
        self.stop = stop
        self.listeners = listeners
        self.snapshot_listeners: Sequence[Callable[[int, Snapshot], None]] = ()
        self.finished = False
        self.last_losses: deque[float] = deque(maxlen=NUM_LAST_LOSSES)
        self.open_sums: list[list[float]] = []
        self.first_loss: float | None = None
        self._divergence_reported = False
        self.best: dict[str, float] = {}
        self.last_valid: dict[str, float] = {}
        self.step = 0
        self._gradients_checked = False
        self.seconds_before = 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds of training and validation, including those before a resume."""
        return self.seconds_before + (time.perf_counter() - self._started if self._started else 0.0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the number of threads, which launchers of several processes change, and start the clock."""
        torch.set_num_threads(self.threads)
        self._started = time.perf_counter()

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After the first backward pass, warn of parameters without a gradient; with several ranks, raise."""
        if self._gradients_checked:
            return
        self._gradients_checked = True
        unused = [name for name, value in pl_module.named_parameters() if value.requires_grad and value.grad is None]
        if unused:
            message = f"these parameters have no gradient and are never trained: {', '.join(unused)}"
            if trainer.world_size > 1:
                raise SeqtoolError(f"{message}; training with several processes requires a gradient for each")
            warnings.warn(message, stacklevel=2)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a row and a checkpoint, and stop on request, unless a validation follows, which then does this."""
        assert isinstance(pl_module, SequenceModule)
        train, step = pl_module.options, trainer.global_step
        if step == train.steps:
            trainer.should_stop = True
        if step == train.steps or step % train.validate_every == 0:
            return
        if step % train.log_every == 0:
            self._fetch(pl_module, step)
            self._write_row(trainer, pl_module, {})
        stopping = self.stop.agreed(trainer, step)
        if stopping or (train.checkpoint_every and step % train.checkpoint_every == 0):
            self._fetch(pl_module, step)
            self._save(trainer)
        if stopping:
            raise Interrupted(saved=True)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write a row, a snapshot and checkpoints, and stop on request. The step is complete."""
        assert isinstance(pl_module, SequenceModule)
        train, step = pl_module.options, trainer.global_step
        self._fetch(pl_module, step)
        if not math.isfinite(pl_module.valid_values["valid_loss"]):
            raise _diverged(pl_module, step, "validation loss")
        self.last_valid = {name: value for name, value in pl_module.valid_values.items() if not math.isnan(value)}
        if train.monitor not in self.last_valid:
            raise SeqtoolError(
                f"{pl_module.options.label}: train.monitor: {train.monitor} has no value on this validation set\n"
                f"    allowed: {', '.join(self.last_valid)}"
            )
        self._write_row(trainer, pl_module, self.last_valid)
        take_snapshot = trainer.should_stop or step in snapshot_steps(train.steps, train.validate_every)
        if take_snapshot and self.directory and pl_module.snapshot:
            write_snapshot(self.directory, step, pl_module.snapshot, pl_module.assembly.task)
            for listener in self.snapshot_listeners:
                listener(step, pl_module.snapshot)
        if trainer.should_stop:
            self.finished, self.seconds_before, self._started = True, self.seconds, None
        value, best = self.last_valid[train.monitor], self.best.get(train.monitor)
        if best is None or (value > best if pl_module.higher_is_better(train.monitor) else value < best):
            self.best = {"step": step, **self.last_valid}
            self._save(trainer, best=True)
        self._save(trainer)
        if not self.finished and self.stop.agreed(trainer, step):
            raise Interrupted(saved=True)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add fingerprint and threads. Drop Lightning's loop counters, which record a position inside a step."""
        checkpoint["seqtool"] = {"format": FORMAT, "fingerprint": self.fingerprint, "threads": self.threads}
        del checkpoint["loops"]

    def state_dict(self) -> dict[str, Any]:
        """Everything that later rows depend on."""
        return {
            "finished": self.finished,
            "last_losses": list(self.last_losses),
            "open_sums": self.open_sums,
            "first_loss": self.first_loss,
            "best": self.best,
            "last_valid": self.last_valid,
            "step": self.step,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self.finished = state_dict["finished"]
        self.last_losses.extend(state_dict["last_losses"])
        self.open_sums = list(state_dict["open_sums"])
        self.first_loss = state_dict.get("first_loss")
        self.best = state_dict["best"]
        self.last_valid = state_dict["last_valid"]
        self.step = state_dict["step"]
        self.seconds_before = state_dict["seconds"]

    def _fetch(self, module: SequenceModule, step: int) -> None:
        """Fetch the sums of all steps since the last fetch from the device, in one transfer."""
        if not module.step_sums:
            return
        self.step = step
        columns = [torch.stack(column).float() for column in zip(*module.step_sums, strict=True)]
        sums = torch.stack(columns, 1).tolist()
        module.step_sums.clear()
        if self.first_loss is None:
            self.first_loss = step_loss(sums[0])
        self.open_sums += sums
        self.last_losses.extend(step_loss(row) for row in sums)
        if not all(math.isfinite(row[0]) for row in sums):
            raise _diverged(module, step, "loss")

    def _write_row(self, trainer: pl.Trainer, module: SequenceModule, valid: dict[str, float]) -> None:
        """Write a row: means over the steps since the last row, and the validation results `valid`."""
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
        self._report_divergence(module, step, max(row["train_loss"], valid.get("valid_loss", 0.0)))
        if self.directory:
            self.directory.append_metrics([row])
        for listener in self.listeners:
            listener(row)

    def _report_divergence(self, module: SequenceModule, step: int, loss: float) -> None:
        """Warn once, on rank 0, of a loss that an untrained model does not have by far."""
        if self._divergence_reported or not self.directory:
            return
        if not self.first_loss or loss < DIVERGED * abs(self.first_loss):
            return
        self._divergence_reported = True
        warnings.warn(
            f"{module.options.label}: training diverges: the loss is {loss:.3g} at step {step}, and was "
            f"{self.first_loss:.3g} at step 1\n    {_advice(module)}",
            stacklevel=2,
        )

    def _save(self, trainer: pl.Trainer, best: bool = False) -> None:
        """Save a checkpoint. All ranks take part; rank 0 writes, and the other ranks' path is ignored."""
        directory = self.directory or SeedDirectory(Path("unused"))
        trainer.save_checkpoint(directory.best_checkpoint if best else directory.last_checkpoint)


def _diverged(module: SequenceModule, step: int, what: str) -> SeqtoolError:
    return SeqtoolError(f"{module.options.label}: the {what} is no longer finite at step {step}\n    {_advice(module)}")


def _advice(module: SequenceModule) -> str:
    """What may keep this training from diverging, from the values of its recipe."""
    options, group = module.options, module.assembly.optimizer.param_groups[0]
    advice = [f"a lower train.optimizer.lr than {float(group.get('initial_lr', group['lr'])):g}"]
    advice += [f"a lower train.clip_norm than {options.clip_norm:g}" if options.clip_norm else "train.clip_norm: 1.0"]
    advice += ["train.precision: 32-true"] if "16" in options.precision else []
    return f"try {', or '.join(advice)}"


def _accuracy(rows: list[list[float]]) -> float:
    """Token accuracy from the `[summed loss, tokens, correct tokens]` of each step."""
    return sum(row[2] for row in rows) / max(1.0, sum(row[1] for row in rows))


def step_loss(sums: list[float]) -> float:
    """Mean loss per real token from the `[summed loss, tokens, correct tokens]` of a step."""
    return sums[0] / max(1.0, sums[1])
