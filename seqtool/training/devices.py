"""Selects the devices to train on, from the recipe and from what the machine has."""

import os
from typing import Any

import torch
from pytorch_lightning.plugins.environments import (  # type: ignore[attr-defined]
    LightningEnvironment,
    LSFEnvironment,
    MPIEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from pytorch_lightning.strategies import StrategyRegistry

from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.recipe.train_options import TrainOptions

FIRST_SPECIAL_STEP = 0xFFFFFFF0
"""SLURM numbers the steps of srun from 0, and the batch script and the interactive shell from here."""
ACCELERATORS = {"auto": "auto", "cpu": "cpu", "cuda": "cuda", "gpu": "cuda", "mps": "mps"}


def trainer_options(train: TrainOptions, device: str | None = None) -> dict[str, Any]:
    """The trainer's accelerator, devices, nodes, strategy and precision.

    `devices: auto` means one device, or one for each process that torchrun or srun started.

    Args:
        train: the recipe's training options.
        device: "cpu", "cuda:1", "mps"; overrides the recipe.

    Raises:
        MisuseError: unknown device or strategy name, or other numbers of devices and nodes than torchrun or srun
            started. SeqtoolError: this machine has no such device.
    """
    name, _, index = (device or train.accelerator).partition(":")
    if name not in ACCELERATORS or (index and not index.isdecimal()):
        raise _unknown("device", f"{name}:{index}" if index else name, [*ACCELERATORS, "cuda:0"])
    accelerator = ACCELERATORS[name]
    devices: Any = [int(index)] if index else train.devices
    if device and not index and isinstance(devices, list):
        devices = "auto"
    _check_available(accelerator, devices)
    available = [*StrategyRegistry.available_strategies(), "auto"]
    if train.strategy not in available:
        raise _unknown("strategy", train.strategy, sorted(available))
    num_nodes = train.num_nodes
    started = _started_processes()
    if devices == "auto":
        devices, num_nodes = started or (1, num_nodes)
    elif started and started != (_count(devices), num_nodes):
        raise MisuseError(
            f"train.devices: {devices} and train.num_nodes: {num_nodes}, but torchrun or srun started {started[0]} "
            f"processes on {started[1]} nodes",
            allowed=["train.devices: auto", f"{_count(devices)} processes on {num_nodes} nodes"],
        )
    return {
        "accelerator": accelerator,
        "devices": devices,
        "num_nodes": num_nodes,
        "strategy": train.strategy,
        "precision": train.precision,
    }


def check_one_device(train: TrainOptions, device: str | None = None) -> None:
    """Check that each training uses one device and one process, which `--workers` requires.

    Raises:
        MisuseError: the recipe requests several devices or nodes, or torchrun or srun started several processes.
    """
    local, nodes = _started_processes() or (1, 1)
    if local * nodes > 1:
        raise MisuseError(
            f"--workers starts its own processes, but torchrun or srun already started {local * nodes}",
            allowed=["--workers in a single process", "no --workers"],
        )
    options = trainer_options(train, device)
    if num_ranks(train, device) != 1:
        count = _count(options["devices"])
        found = f"{count} devices" if options["num_nodes"] == 1 else f"{options['num_nodes']} nodes"
        raise MisuseError(
            f"--workers trains each seed on one device, but this recipe uses {found}",
            allowed=["--set train.devices=1 --set train.num_nodes=1", "no --workers"],
        )


def num_ranks(train: TrainOptions, device: str | None = None) -> int:
    """The number of processes of a training. For arguments and errors see `trainer_options`."""
    options = trainer_options(train, device)
    return _count(options["devices"]) * int(options["num_nodes"])


def check_launched(num_nodes: int) -> None:
    """Check that a training on several nodes is started on each of them; otherwise it would wait for ever.

    Raises:
        MisuseError: no launcher started this process, and no variable tells where the other nodes are.
    """
    launched = _started_processes() or LSFEnvironment.detect() or MPIEnvironment.detect()
    if num_nodes > 1 and not launched and "MASTER_ADDR" not in os.environ:
        raise MisuseError(
            f"train.num_nodes: {num_nodes}, but this process was not started by srun or torchrun",
            allowed=[
                "srun seqtool run ... in a batch script (docs/recipes.md has an example)",
                "torchrun --nnodes ... -m seqtool run ... on each node",
                "MASTER_ADDR, MASTER_PORT and NODE_RANK set on each node",
                "train.num_nodes: 1",
            ],
        )


def _count(devices: int | list[int]) -> int:
    return len(devices) if isinstance(devices, list) else devices


def _started_processes() -> tuple[int, int] | None:
    """`(processes per node, nodes)` that torchrun or srun started; None if neither did.

    Raises:
        MisuseError: srun was not given the number of tasks of each node, which Lightning requires.
    """
    environment = os.environ
    if "LOCAL_WORLD_SIZE" in environment:
        local = int(environment["LOCAL_WORLD_SIZE"])
        return local, int(environment["WORLD_SIZE"]) // local
    if _is_slurm_task():
        nodes, tasks = int(environment.get("SLURM_NNODES", 1)), int(environment["SLURM_NTASKS"])
        if tasks > 1 and "SLURM_NTASKS_PER_NODE" not in environment:
            raise MisuseError(
                f"srun started {tasks} tasks without --ntasks-per-node",
                allowed=[f"--ntasks-per-node={tasks // nodes}", "--ntasks=1 for a single process"],
            )
        return tasks // nodes, nodes
    return None


def _is_slurm_task() -> bool:
    """Whether srun started this process. A batch script is one process, with the variables of the whole allocation."""
    step = os.environ.get("SLURM_STEP_ID", "")
    return SLURMEnvironment.detect() and step.isdecimal() and int(step) < FIRST_SPECIAL_STEP


def cluster_plugins() -> list[Any]:
    """For tasks of srun, SLURM's environment without automatic requeueing; `--resume` continues a stopped run."""
    if TorchElasticEnvironment.detect():  # also inside SLURM
        return []
    if _is_slurm_task():
        return [SLURMEnvironment(auto_requeue=False)]
    return [LightningEnvironment()] if SLURMEnvironment.detect() else []


def _check_available(accelerator: str, devices: Any) -> None:
    """Raise if this machine lacks the device."""
    count = torch.cuda.device_count()
    if accelerator == "cuda":
        num_needed = max(devices) + 1 if isinstance(devices, list) else 1 if devices == "auto" else devices
        if num_needed > count:
            found = f"this machine has {count} CUDA device{'s' * (count != 1)}"
            raise SeqtoolError(f"no such device: {found}, but CUDA device {num_needed - 1} was requested")
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise SeqtoolError("no such device: this machine has no MPS device")


def _unknown(what: str, name: str, allowed: list[str]) -> MisuseError:
    return MisuseError(f"unknown {what} {name!r}", allowed=allowed, nearest=nearest_name(name, allowed))
