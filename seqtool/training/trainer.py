"""Lightning's trainer of one seed: built when the recipe is checked, connected to its run directory for training."""

from functools import partial

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]

from seqtool.build.device_support import refuse_float64
from seqtool.errors import SeqtoolError
from seqtool.recipe.train_options import TrainOptions
from seqtool.training.alignment_images import alignment_images
from seqtool.training.checkpoint_io import AtomicCheckpointIO
from seqtool.training.devices import check_launched, cluster_plugins, trainer_options
from seqtool.training.lightning_internals import set_completed_steps
from seqtool.training.lightning_messages import quiet_lightning
from seqtool.training.lightning_module import SequenceModule
from seqtool.training.lightning_overhead import NoProfiler
from seqtool.training.recorder import Recorder
from seqtool.training.snapshots import Snapshot
from seqtool.training.stopping import KeepHandlers

NO_FOLDER = "unused"
"""A root folder that does not exist. Lightning would search its default, the working directory, for checkpoints."""


def build_trainer(train: TrainOptions, device: str | None = None) -> pl.Trainer:
    """The trainer of one seed. It writes nothing yet.

    Raises:
        MisuseError: see `trainer_options` and `check_launched`. SeqtoolError: Lightning does not support this
            combination of accelerator, devices, strategy and precision.
    """
    options = trainer_options(train, device)
    check_launched(options["num_nodes"])
    try:
        with quiet_lightning():
            trainer = pl.Trainer(
                **options,
                plugins=[AtomicCheckpointIO(), *cluster_plugins()],
                logger=False,
                profiler=NoProfiler(),
                max_steps=train.steps,
                val_check_interval=train.validate_every,
                check_val_every_n_epoch=None,
                gradient_clip_val=train.clip_norm,
                num_sanity_val_steps=0,
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=False,
                use_distributed_sampler=False,
                default_root_dir=NO_FOLDER,
            )
    except (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError) as error:
        requested = ", ".join(f"{name} {value!r}" for name, value in options.items())
        raise SeqtoolError(f"Lightning cannot train with {requested}: {' '.join(str(error).split())}") from error
    refuse_float64(trainer.strategy.root_device, train.precision)
    return trainer


def connect(trainer: pl.Trainer, module: SequenceModule, recorder: Recorder, done: int) -> None:
    """Attach early stopping, the recorder and the TensorBoard logger to a trainer that starts after `done` steps.

    The recorder comes last, so that it sees the decision of early stopping.
    """
    stopping = module.options.early_stopping
    if stopping:
        mode = "max" if module.higher_is_better(stopping.monitor) else "min"
        trainer.callbacks.append(  # type: ignore[attr-defined]
            pl.callbacks.EarlyStopping(
                stopping.monitor, min_delta=stopping.min_delta, patience=stopping.patience, mode=mode
            )
        )
    trainer.callbacks += [KeepHandlers(), recorder]  # type: ignore[attr-defined]
    if module.options.tensorboard and recorder.directory:
        folder = recorder.directory.tensorboard
        logger = pl.loggers.TensorBoardLogger(folder.parent, name="", version=folder.name, purge_step=done + 1)
        recorder.listeners = [*recorder.listeners, lambda row: logger.log_metrics(row, int(row["step"]))]
        recorder.snapshot_listeners = [partial(_log_images, logger)]
        trainer.logger = logger
    set_completed_steps(trainer, done)


def _log_images(logger: pl.loggers.TensorBoardLogger, step: int, snapshot: Snapshot) -> None:
    for tag, pixels in alignment_images(snapshot).items():
        logger.experiment.add_image(tag, pixels, step, dataformats="HWC")
