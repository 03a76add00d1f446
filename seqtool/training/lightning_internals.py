"""The private and undocumented attributes of Lightning that training uses, each with the reason.

No other module names one; `tests/test_private_apis.py` and `tests/training/test_resume.py` fail when one changes.
"""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]


class LeanModule(pl.LightningModule):
    """A module without two of Lightning's costs per step, which a small model would notice.

    Batches move themselves to the device, so that Lightning need not look up three hooks. The name of the running hook
    is set without torch's search for parameters and buffers, some forty times a step. No public option avoids either.
    """

    def _call_batch_hook(self, hook_name: str, batch: Any, *arguments: Any) -> Any:
        return batch.to(arguments[0]) if hook_name == "transfer_batch_to_device" else batch

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


def begin_at(trainer: pl.Trainer, done: int) -> None:
    """Make a fresh trainer count from `done` steps.

    Checkpoints omit Lightning's loop counters, which record a place inside a step. Its loop, its validation interval
    and `global_step`, which has no setter, depend on these two alone.
    """
    epoch: Any = trainer.fit_loop.epoch_loop
    epoch.automatic_optimization.optim_progress.optimizer.step.total.completed = done
    batches = epoch.batch_progress.total
    batches.ready = batches.started = batches.processed = batches.completed = done
    assert trainer.global_step == done


def is_rank_zero() -> bool:
    """Whether this process is the one that writes and prints, and not a helper of another.

    Lightning knows the rank before there is a trainer, from the launcher's variables, and has no public question.
    """
    return getattr(rank_zero_only, "rank", 0) in (None, 0)
