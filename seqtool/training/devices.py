"""Selects the devices to train on, from the recipe and from what the machine has."""

import os
from typing import Any

import torch
from pytorch_lightning.plugins.environments import SLURMEnvironment  # type: ignore[attr-defined]
from pytorch_lightning.strategies import StrategyRegistry

from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.recipe.train_options import TrainOptions

ACCELERATORS = {"auto": "auto", "cpu": "cpu", "cuda": "cuda", "gpu": "cuda", "mps": "mps"}


def trainer_options(train: TrainOptions, device: str | None = None) -> dict[str, Any]:
    """The trainer's accelerator, devices, nodes, strategy and precision.

    `devices: auto` means one device, or one for each process that torchrun or SLURM started.

    Args:
        train: the recipe's training options.
        device: "cpu", "cuda:1", "mps"; overrides the recipe.

    Raises:
        MisuseError: unknown device or strategy name. SeqtoolError: this machine has no such device.
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
    if devices == "auto":
        devices, num_nodes = _started_processes() or (1, num_nodes)
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
        MisuseError: the recipe requests several devices or nodes, or torchrun or SLURM started several processes.
    """
    local, nodes = _started_processes() or (1, 1)
    if local * nodes > 1:
        raise MisuseError(
            f"--workers starts its own processes, but torchrun or SLURM already started {local * nodes}",
            allowed=["--workers in a single process", "no --workers"],
        )
    options = trainer_options(train, device)
    devices = options["devices"]
    count = len(devices) if isinstance(devices, list) else devices
    if count != 1 or options["num_nodes"] != 1:
        found = f"{count} devices" if options["num_nodes"] == 1 else f"{options['num_nodes']} nodes"
        raise MisuseError(
            f"--workers trains each seed on one device, but this recipe uses {found}",
            allowed=["--set train.devices=1 --set train.num_nodes=1", "no --workers"],
        )


def _started_processes() -> tuple[int, int] | None:
    """`(processes per node, nodes)` that torchrun or SLURM started; None if neither did."""
    environment = os.environ
    if "LOCAL_WORLD_SIZE" in environment:
        local = int(environment["LOCAL_WORLD_SIZE"])
        return local, int(environment["WORLD_SIZE"]) // local
    if SLURMEnvironment.detect():
        nodes = int(environment.get("SLURM_NNODES", 1))
        return int(environment["SLURM_NTASKS"]) // nodes, nodes
    return None


def cluster_plugins() -> list[Any]:
    """Under SLURM, its environment without automatic requeueing; `--resume` continues a stopped run."""
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []


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
