"""Trains one seed of one variant, from the beginning or from a checkpoint."""

import platform
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import Strategy
from torch import nn

from seqtool.build.assembly import assemble, count_parameters
from seqtool.build.kernels import Choice, install, record
from seqtool.build.precision_check import PARAMETER_DTYPES
from seqtool.errors import SeqtoolError
from seqtool.nn.torch_lstm import lstm_needs_float32
from seqtool.parts.task import Task
from seqtool.recipe import Variant
from seqtool.recipe.train_options import Engine
from seqtool.runs import SeedDirectory
from seqtool.runs.checkpoint import fingerprint, read_checkpoint
from seqtool.training.buckets import lengths_vary
from seqtool.training.cuda_capture import cannot_capture, step_record
from seqtool.training.data_module import DataModule
from seqtool.training.graphed_step import GraphedStep
from seqtool.training.lightning_messages import quiet_lightning
from seqtool.training.lightning_module import SequenceModule
from seqtool.training.prepared import Prepared
from seqtool.training.progress_bar import TrainingBar
from seqtool.training.recorder import Recorder
from seqtool.training.stopping import StopSignal
from seqtool.training.threads import choose_threads, wait_policy
from seqtool.training.torch_flags import torch_flags
from seqtool.training.trainer import build_trainer, connect
from seqtool.training.validation_sample import write_sample
from seqtool.training.waiting import RankWait

SYMBOL_COLUMNS = ("step", "train_loss", "train_token_accuracy", "learning_rate")
CONTINUOUS_COLUMNS = ("step", "train_loss", "learning_rate")
"""The training columns of metrics.csv for symbols and for continuous targets."""


def fit_seed(
    variant: Variant,
    seed: int,
    directory: SeedDirectory | None,
    stop: StopSignal,
    *,
    task: Task | None = None,
    prepared: Prepared | None = None,
    resume: Path | None = None,
    device: str | None = None,
    show_bar: bool = False,
    listeners: Sequence[Callable[[dict[str, float]], None]] = (),
) -> None:
    """Train one seed and write the files of its folder, which docs/run_directory.md lists.

    Args:
        directory: the folder to write to; None on all ranks except 0.
        task: the variant's task, if it is already prepared.
        prepared: the assembly and trainer, if they are already built.
        resume: the checkpoint to resume from; None to start from the beginning.
        device: overrides the recipe's accelerator.
        listeners: called with each row of metrics.

    Raises:
        SeqtoolError: the checkpoint belongs to another recipe, the disk is full, or the loss is not finite.
        Interrupted: a stop was requested.
    """
    checkpoint = read_checkpoint(resume, variant, seed) if resume else None
    done = checkpoint["global_step"] if checkpoint else 0
    prepared = prepared or Prepared(assemble(variant, seed, task=task), build_trainer(variant.train, device))
    assembly, trainer = prepared.assembly, prepared.trainer
    module, options = SequenceModule(assembly), assembly.options
    if options.precision == "64-true":
        module.double()  # Lightning converts it only after loading a checkpoint
    if directory:
        valid = (f"valid_{name}" for name in ("loss", *assembly.metrics))
        directory.prepare([*(SYMBOL_COLUMNS if module.symbols else CONTINUOUS_COLUMNS), *valid, "seconds"], done)
    saved_threads = checkpoint["seqtool"].get("threads") if checkpoint else None
    threads = saved_threads or choose_threads(assembly, trainer.strategy.root_device)
    flags = torch_flags(deterministic=options.deterministic, threads=threads)
    with flags, TrainingBar(options.label, options.steps, done, show=show_bar) as bar, quiet_lightning():
        recorder = Recorder(directory, fingerprint(variant, seed), threads, stop, [bar.show, *listeners])
        connect(trainer, module, recorder, done)
        choices = _install_kernels(module, trainer.strategy.root_device)
        not_captured = _use_graphs(module, trainer.strategy)
        environment = _environment(trainer, module, choices) | {"step": step_record(not_captured)}
        if directory:
            directory.write_environment(environment)
        if module.graphs:
            module.graphs.on_fallback = partial(_record_fallback, options.engine, directory, environment)
        state = checkpoint["callbacks"][recorder.state_key] if checkpoint else {}
        if checkpoint and state["finished"]:
            recorder.load_state_dict(state)
            module.load_state_dict(checkpoint["state_dict"])
        else:
            with RankWait(trainer, stop) as wait:
                trainer.callbacks.insert(0, wait)  # type: ignore[attr-defined]
                _fit(trainer, module, resume)
        if directory:
            write_sample(directory, module)
    if directory:
        directory.write_result(_result(recorder, count_parameters(assembly.model)))


def _fit(trainer: pl.Trainer, module: SequenceModule, resume: Path | None) -> None:
    """Train, then restore torch's global random generators."""
    train = module.options
    data = DataModule(
        module.assembly.task,
        seed=module.seed,
        batch_size=train.batch_size,
        steps=train.steps,
        valid_batches=train.validation_batches,
        valid_batch_size=train.validation_batch_size,
    )
    device = trainer.strategy.root_device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
        finally:
            module.release_graphs()


def _install_kernels(module: SequenceModule, device: torch.device) -> list[Choice]:
    train, dtype = module.options, PARAMETER_DTYPES.get(module.options.precision)
    others = {"optimizer": module.assembly.optimizer}
    return install(module.model, train.engine, module.assembly.registry, device, dtype, others)


def _use_graphs(module: SequenceModule, strategy: Strategy) -> str | None:
    """Capture the module's training steps as CUDA graphs. Returns the reason if they cannot be captured, else None.

    Raises:
        SeqtoolError: the recipe requests engine "graphed", but this training cannot be captured.
    """
    train = module.options
    reason = cannot_capture(train, strategy, module.assembly.optimizer)
    if reason is None:
        module.graphs = GraphedStep(
            module,
            module.objective,
            module.assembly.optimizer,
            module.clip,
            autocast=torch.bfloat16 if train.precision == "bf16-mixed" else None,
            use_buckets=lengths_vary(module.assembly.task, module.seed, train.batch_size),
        )
    elif train.engine == "graphed":
        raise _engine_error(reason)
    return reason


def _record_fallback(engine: Engine, directory: SeedDirectory | None, environment: dict[str, Any], reason: str) -> None:
    """Record in environment.json that steps are no longer captured.

    Raises:
        SeqtoolError: the recipe requests engine "graphed".
    """
    if engine == "graphed":
        raise _engine_error(reason)
    if directory:
        directory.write_environment(environment | {"step": step_record(reason)})


def _engine_error(reason: str) -> SeqtoolError:
    return SeqtoolError(f"engine 'graphed': {reason}\n    allowed: train.engine: auto")


def _environment(trainer: pl.Trainer, module: SequenceModule, choices: list[Choice]) -> dict[str, Any]:
    device = trainer.strategy.root_device
    mixed = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(trainer.precision)
    computed_in_float32 = ["lstm"] if device.type == "cpu" and mixed and lstm_needs_float32(mixed) else []
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or device.type
    return {
        "seed": module.seed,
        "device": str(device),
        "device_name": name,
        "world_size": trainer.world_size,
        "strategy": type(trainer.strategy).__name__,
        "precision": trainer.precision,  # Lightning replaces 16-mixed on the CPU
        "computed_in_float32": computed_in_float32,
        "threads": torch.get_num_threads(),
        "wait_policy": wait_policy(),
        **record(module.options.engine, choices),
        "parameters": {part: count_parameters(module) for part, module in module.model.named_children()},
        "parameters_within": _parameters_within(module.model),
    }


def _parameters_within(model: nn.Module) -> dict[str, int]:
    """Trainable parameters of each module that has parameters of its own, by dotted name."""
    own = {name: list(module.parameters(recurse=False)) for name, module in model.named_modules()}
    return {
        name: sum(x.numel() for x in parameters if x.requires_grad) for name, parameters in own.items() if parameters
    }


def _result(recorder: Recorder, parameters: int) -> dict[str, Any]:
    losses, valid = recorder.last_losses, recorder.last_valid
    return {
        "train_loss": sum(losses) / len(losses),
        **{name if name == "valid_loss" else name.removeprefix("valid_"): value for name, value in valid.items()},
        "steps": recorder.step,
        "seconds": round(recorder.seconds, 3),
        "steps_per_second": round(recorder.step / recorder.seconds, 3),
        "best": recorder.best,
        "parameters": parameters,
    }
