"""The values of a recipe's `train` section that the training loop reads. Its parts are in the `Assembly`."""

from dataclasses import dataclass, fields
from typing import Literal

from seqtool.recipe.train_options import EarlyStopping, Engine, Precision, TrainOptions


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """Values of `TrainOptions` under the same names, and those below.

    Attributes:
        name: the name of the variant.
        seed: the seed that is trained.
        early_stopping: None trains all steps.
        teacher_forcing: whether all inputs of the decoder are gold symbols, that is, no scheduled sampling.
    """

    name: str
    seed: int
    steps: int
    batch_size: int
    clip_norm: float | None
    validate_every: int
    validation_batches: int
    validation_batch_size: int
    monitor: str
    checkpoint_every: int | None
    log_every: int
    precision: Precision
    threads: int | Literal["auto"]
    engine: Engine
    deterministic: bool
    tensorboard: bool
    gates: bool
    early_stopping: EarlyStopping | None
    teacher_forcing: bool

    @classmethod
    def of(cls, name: str, seed: int, train: TrainOptions) -> "LoopOptions":
        """The options for one seed of a variant."""
        shared = {field.name for field in fields(cls)} & {field.name for field in fields(TrainOptions)}
        values = {key: getattr(train, key) for key in shared - {"early_stopping"}}
        return cls(
            name=name,
            seed=seed,
            early_stopping=train.early_stopping() if train.early_stopping else None,
            teacher_forcing=train.scheduled_sampling is None,
            **values,
        )

    @property
    def label(self) -> str:
        """The name of the training in messages."""
        return f"{self.name}, seed {self.seed}"
