"""The `train` section of a recipe. As for parts, the constructor is the schema."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge

from seqtool.registry.options import Count, Factory, NonNegative, Positive, Size, SlotKind, named

Precision = Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"]
Engine = Literal["auto", "reference", "fused", "compiled", "graphed"]


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stop when `monitor` has not improved by `min_delta` for `patience` consecutive validations."""

    patience: Size
    monitor: str = "valid_loss"
    min_delta: NonNegative = 0.0


@dataclass(frozen=True, kw_only=True)
class ScheduledSampling:
    """Scheduled sampling: some inputs of the decoder are its own predictions (Bengio et al. 2015, arXiv 1506.03099).

    Args:
        schedule: the probability of teacher forcing by step, clipped to [0, 1].
        per: "token" samples for every symbol independently, "example" once for a whole target.
    """

    schedule: Annotated[Factory[Any], SlotKind("schedule")]
    per: Literal["token", "example"] = "token"


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a variant is trained.

    Args:
        steps: optimizer steps.
        batch_size: examples per step and process; with `devices: 2` a step has twice as many.
        optimizer: adam, adamw, sgd, ...
        schedule: a factor on the learning rate by step; null keeps the rate constant.
        loss: null selects the default loss for the task's targets.
        metrics: null selects all default metrics whose requirements are met; [] selects none.
        scheduled_sampling: null always uses teacher forcing.
        search: how validation decodes.
        clip_norm: the largest norm of all gradients together; null does not clip.
        validate_every: steps between validations; validation also runs after the last step.
        validation_batches, validation_batch_size: the number and the size of validation batches, which are the same
            each time.
        early_stopping: null trains all steps.
        monitor: the column of metrics.csv that determines the best checkpoint.
        checkpoint_every: steps between checkpoints in addition to those at validations; null for no additional ones.
        log_every: steps over which a row of metrics.csv is averaged.
        accelerator, devices, num_nodes, strategy, precision: as in Lightning; "auto" uses what is available.
        threads: threads of each process on the CPU; "auto" uses one for small models, and otherwise those that torch
            has. A resumed run keeps its number.
        engine: the implementation of each part: "reference", its own code; "fused", fused kernels, at least one;
            "compiled", torch.compile; "graphed", fused kernels in steps that are replayed as CUDA graphs; "auto", all
            available fused kernels, replayed as CUDA graphs on a CUDA device.
        deterministic: refuse operations that are not reproducible on the device.
        tensorboard: also write TensorBoard files; needs the extra `tensorboard`.
        gates: also write the gate values of each cell on the validation sample (gates.npz).
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
    threads: Size | Literal["auto"] = "auto"
    engine: Engine = "auto"
    deterministic: bool = False
    tensorboard: bool = False
    gates: bool = False
