"""Lightning's trainer of one seed: built when a recipe is checked, given its folder when it trains."""

from functools import partial

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]

from seqtool.build.device_support import refuse_float64
from seqtool.errors import SeqtoolError
from seqtool.recipe.train_options import TrainOptions
from seqtool.training.alignment_pictures import alignment_pictures
from seqtool.training.checkpoints import AtomicCheckpoints
from seqtool.training.devices import cluster_plugins, trainer_options
from seqtool.training.lightning_internals import begin_at
from seqtool.training.lightning_messages import quiet_lightning
from seqtool.training.lightning_module import SequenceModule
from seqtool.training.lightning_overhead import NoProfiler
from seqtool.training.recorder import Recorder
from seqtool.training.snapshots import Glimpse

NO_FOLDER = "unused"
"""Lightning's default is the working directory, in which it would look for checkpoints of SLURM."""


def build_trainer(train: TrainOptions, device: str | None = None) -> pl.Trainer:
    """The trainer of one seed, which writes nothing yet; Lightning refuses here what it cannot do.

    Raises:
        MisuseError: no such device name. SeqtoolError: this combination of accelerator, devices, strategy and precision
            cannot be.
    """
    options = trainer_options(train, device)
    try:
        with quiet_lightning():
            trainer = pl.Trainer(
                **options,
                plugins=[AtomicCheckpoints(), *cluster_plugins()],
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
        wish = ", ".join(f"{name} {value!r}" for name, value in options.items())
        raise SeqtoolError(f"Lightning cannot train with {wish}: {' '.join(str(error).split())}") from error
    refuse_float64(trainer.strategy.root_device, train.precision)
    return trainer


def connect(trainer: pl.Trainer, module: SequenceModule, recorder: Recorder, done: int) -> None:
    """Attach what stops early, what records, and what logs, to a trainer that goes on after `done` steps.

    The recorder stands last: it must see that training stops early.
    """
    stopping = module.options.early_stopping
    if stopping:
        mode = "max" if module.higher_is_better(stopping.monitor) else "min"
        trainer.callbacks.append(  # type: ignore[attr-defined]
            pl.callbacks.EarlyStopping(
                stopping.monitor, min_delta=stopping.min_delta, patience=stopping.patience, mode=mode
            )
        )
    trainer.callbacks.append(recorder)  # type: ignore[attr-defined]
    if module.options.tensorboard and recorder.directory:
        folder = recorder.directory.tensorboard
        logger = pl.loggers.TensorBoardLogger(folder.parent, name="", version=folder.name, purge_step=done + 1)
        recorder.listeners = [*recorder.listeners, lambda row: logger.log_metrics(row, int(row["step"]))]
        recorder.viewers = [partial(_log_pictures, logger)]
        trainer.logger = logger
    begin_at(trainer, done)


def _log_pictures(logger: pl.loggers.TensorBoardLogger, step: int, seen: Glimpse) -> None:
    for name, pixels in alignment_pictures(seen).items():
        logger.experiment.add_image(name, pixels, step, dataformats="HWC")
