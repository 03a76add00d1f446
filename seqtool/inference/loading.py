"""Load a trained model from a run directory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch

from seqtool.build.assembly import assemble
from seqtool.build.device_support import refuse_float64
from seqtool.build.kernels import install
from seqtool.build.torch_settings import default_settings
from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.inference.predictor import Predictor
from seqtool.recipe.moved_data import with_data
from seqtool.recipe.train_options import Engine
from seqtool.registry import Registry, default_registry
from seqtool.runs import RunDirectory, SeedDirectory
from seqtool.runs.checkpoint import read_checkpoint
from seqtool.runs.resolved_variant import load_resolved_variant

CHECKPOINTS = ("best", "last")
DEVICES = ("cpu", "cuda", "cuda:0", "mps", "auto")


@default_settings()
def load(
    run: str | Path,
    variant: str | None = None,
    seed: int | None = None,
    checkpoint: Literal["best", "last"] = "best",
    device: str | None = None,
    *,
    registry: Registry | None = None,
    data: Mapping[str, str] | None = None,
) -> Predictor:
    """Load a trained model from a run directory, which may have been moved.

    Args:
        run: the run directory.
        variant: name of the variant; required if the run has several.
        seed: the training seed; default: the first of the run.
        checkpoint: "best" by the recipe's `train.monitor`, or "last".
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest available; default: the CPU.
        registry: the registry of parts; default: all installed plugins.
        data: the files of moved data, by the options of the task that name them: `{"train": "pairs.tsv"}`.

    Raises:
        MisuseError: unknown option in `data`, variant, seed, checkpoint or device name.
        SeqtoolError: not a run directory, no readable checkpoint, or the device is not available.
    """
    if checkpoint not in CHECKPOINTS:
        raise _unknown("checkpoint", checkpoint, CHECKPOINTS)
    place = torch_device(device or "cpu")
    directory = RunDirectory.open(Path(run))
    plan = directory.read_plan()
    name = _variant(directory, plan["variants"], variant)
    number = _seed(directory, plan["seeds"], seed)
    path = _checkpoint(directory.seed(name, number), checkpoint)
    return _loaded(directory, name, number, checkpoint, path, place, registry or default_registry(), data or {})


def _loaded(
    directory: RunDirectory,
    name: str,
    seed: int,
    checkpoint: str,
    path: Path,
    device: torch.device,
    registry: Registry,
    data: Mapping[str, str],
) -> Predictor:
    variant = with_data(load_resolved_variant(directory, name, registry), data)
    refuse_float64(device, variant.train.precision)
    read = read_checkpoint(path, variant, seed)
    assembly = assemble(variant, seed, directory.read_task(name))
    weights = {key.removeprefix("model."): value for key, value in read["state_dict"].items() if _of_model(key)}
    if assembly.options.precision == "64-true":
        assembly.model.double()
    try:
        assembly.model.load_state_dict(weights)
    except RuntimeError as error:
        message = f"{path} does not match the installed parts: {' '.join(str(error).split())}"
        raise SeqtoolError(message) from error
    model = assembly.model.eval().to(device)
    engine: Engine = "reference" if assembly.options.engine == "reference" else "auto"
    install(model, engine, registry, device, next(model.parameters()).dtype)
    return Predictor(name, variant, checkpoint, read["global_step"], assembly, device)


def _of_model(key: str) -> bool:
    """Whether a key of a checkpoint belongs to the model; the loss may have parameters too."""
    return key.startswith("model.")


def _variant(directory: RunDirectory, names: list[str], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None:
        raise MisuseError(f"{directory.path} has {len(names)} variants: specify one", allowed=names)
    if wanted not in names:
        raise _unknown(f"variant of {directory.path}", wanted, names)
    return wanted


def _seed(directory: RunDirectory, seeds: list[int], wanted: int | None) -> int:
    if wanted is None:
        return seeds[0]
    if wanted not in seeds:
        raise _unknown(f"seed of {directory.path}", str(wanted), [str(seed) for seed in seeds])
    return wanted


def _checkpoint(place: SeedDirectory, checkpoint: str) -> Path:
    paths = {"best": place.best_checkpoint, "last": place.last_checkpoint}
    if not paths[checkpoint].exists():
        others = [f"the checkpoint {other!r} (--checkpoint {other})" for other in CHECKPOINTS if paths[other].exists()]
        allowed = f"\n    allowed: {', '.join(others)}" if others else ""
        raise SeqtoolError(f"{place.path} has no {checkpoint} checkpoint yet: {paths[checkpoint].name}{allowed}")
    return paths[checkpoint]


def torch_device(name: str) -> torch.device:
    """The device of a name.

    Raises:
        MisuseError: unknown name. SeqtoolError: this machine has no such device.
    """
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps", "auto") or (colon and not (kind == "cuda" and index.isdecimal())):
        raise _unknown("device", name, DEVICES)
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        found = f"this machine has {count} CUDA device{'s' * (count != 1)}"
        raise SeqtoolError(f"no such device: {found}, and CUDA device {index or 0} was asked for")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise SeqtoolError("no such device: this machine has no MPS device")
    return torch.device(kind, int(index)) if index else torch.device(kind)


def _unknown(what: str, name: str, allowed: "list[str] | tuple[str, ...]") -> MisuseError:
    return MisuseError(f"no such {what}: {name!r}", allowed=allowed, nearest=nearest_name(name, allowed))
