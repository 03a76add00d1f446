"""The private and undocumented attributes of Lightning that training uses, each with the reason.

No other module uses one. `tests/test_private_apis.py` and `tests/training/test_resume.py` fail when one changes.
"""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]


class LowOverheadModule(pl.LightningModule):
    """A module without two of Lightning's costs per step, which are noticeable for a small model.

    Batches move themselves to the device, so Lightning does not look up three hooks. Lightning sets the name of the
    running hook about forty times per step; here this skips torch's check for parameters and buffers. No public option
    avoids either cost.
    """

    def _call_batch_hook(self, hook_name: str, batch: Any, *arguments: Any) -> Any:
        return batch.to(arguments[0]) if hook_name == "transfer_batch_to_device" else batch

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


def set_completed_steps(trainer: pl.Trainer, steps: int) -> None:
    """Make a new trainer count from `steps` completed steps.

    Checkpoints omit Lightning's loop counters, which record a position inside a step. The loop, the validation
    interval and `global_step`, which has no setter, depend only on the two counters set here.
    """
    epoch: Any = trainer.fit_loop.epoch_loop
    epoch.automatic_optimization.optim_progress.optimizer.step.total.completed = steps
    batches = epoch.batch_progress.total
    batches.ready = batches.started = batches.processed = batches.completed = steps
    assert trainer.global_step == steps


def is_rank_zero() -> bool:
    """Whether this process is the one that writes files and prints.

    Before a trainer exists, Lightning reads the rank from the launcher's environment variables. It has no public
    function that returns it.
    """
    return getattr(rank_zero_only, "rank", 0) in (None, 0)
