"""The `train` section of a recipe. Its constructor is its schema, like any part's."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge

from seqtool.registry.options import Count, Factory, NonNegative, Positive, Size, SlotKind, named

Precision = Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"]
Engine = Literal["auto", "reference", "fused", "compiled", "graphed"]


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stop when `monitor` has not improved by `min_delta` for `patience` validations in a row."""

    patience: Size
    monitor: str = "valid_loss"
    min_delta: NonNegative = 0.0


@dataclass(frozen=True, kw_only=True)
class ScheduledSampling:
    """Feed the model its own symbols now and then (Bengio et al. 2015, arXiv 1506.03099).

    Args:
        schedule: the probability of teacher forcing by step, cut to 0 .. 1.
        per: "token" draws for every symbol, "example" for a whole target.
    """

    schedule: Annotated[Factory[Any], SlotKind("schedule")]
    per: Literal["token", "example"] = "token"


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a variant is trained.

    Args:
        steps: optimizer steps.
        batch_size: examples a step and a process; `devices: 2` sees twice as many.
        optimizer: adam, adamw, sgd, ...
        schedule: a factor on the learning rate by step; null keeps it.
        loss: null takes the default for the task's targets. metrics: null takes all defaults whose requirements are
            met, [] none.
        scheduled_sampling: null feeds the gold symbols, always.
        search: how validation decodes by itself.
        clip_norm: the largest norm of all gradients together; null does not clip.
        validate_every: steps between validations; the last step is always followed by one.
        validation_batches, validation_batch_size: what a validation looks at; the same batches every time.
        early_stopping: null trains all steps.
        monitor: the column of metrics.csv that decides which checkpoint is the best.
        checkpoint_every: steps between checkpoints, beside those after each validation; null for none beside.
        log_every: steps that one row of metrics.csv is the mean of.
        accelerator, devices, num_nodes, strategy, precision: Lightning's, "auto" picks what is there.
        engine: which implementation of each part runs: "reference", its own code; "fused", fused kernels, at least one;
            "compiled", torch.compile; "graphed", fused kernels in steps that are replayed as CUDA graphs; "auto", the
            fused kernels there are, replayed on a CUDA device.
        deterministic: refuse operations that are not reproducible on the device.
        tensorboard: also write TensorBoard files; needs the extra `tensorboard`.
        gates: also write what the gates of each cell say on the validation sample (gates.npz).
    """

    steps: Size
    batch_size: Size = 64
    optimizer: Annotated[Factory[Any], SlotKind("optimizer")] = named("adam")
    schedule: Annotated[Factory[Any], SlotKind("schedule")] | None = None
    loss: Annotated[Factory[Any], SlotKind("loss")] | None = None
    metrics: list[Annotated[Factory[Any], SlotKind("metric")]] | None = None
    scheduled_sampling: Factory[ScheduledSampling] | None = None
    search: Annotated[Factory[Any], SlotKind("search")] = named("greedy")
    clip_norm: Positive | None = None
    validate_every: Size = 250
    validation_batches: Size = 8
    validation_batch_size: Size = 64
    early_stopping: Factory[EarlyStopping] | None = None
    monitor: str = "valid_loss"
    checkpoint_every: Size | None = None
    log_every: Size = 10
    accelerator: str = "auto"
    devices: Annotated[int, Ge(1)] | list[Count] | Literal["auto"] = "auto"
    num_nodes: Size = 1
    strategy: str = "auto"
    precision: Precision = "32-true"
    engine: Engine = "auto"
    deterministic: bool = False
    tensorboard: bool = False
    gates: bool = False
