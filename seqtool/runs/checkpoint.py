"""Reads checkpoints as plain data, and checks that they belong to the recipe and seed."""

import hashlib
import json
import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from seqtool.errors import SeqtoolError
from seqtool.recipe import Variant

_RECORDER = ("callbacks", "Recorder")
ENTRIES: dict[tuple[str, ...], type | tuple[type, ...]] = {
    ("global_step",): int,
    ("state_dict",): dict,
    ("optimizer_states",): list,
    ("lr_schedulers",): list,
    (*_RECORDER, "finished"): bool,
    (*_RECORDER, "last_losses"): list,
    (*_RECORDER, "open_sums"): list,
    (*_RECORDER, "best"): dict,
    (*_RECORDER, "last_valid"): dict,
    (*_RECORDER, "step"): int,
    (*_RECORDER, "seconds"): (int, float),
}
"""The entries of a checkpoint that are used, each with its type."""


def fingerprint(variant: Variant, seed: int) -> str:
    """A hash of the resolved recipe and the seed. A checkpoint can only be resumed with an equal fingerprint."""
    return _digest(variant.data, seed)


def _digest(data: dict[str, Any], seed: int) -> str:
    return hashlib.sha256(json.dumps([data, seed], sort_keys=True).encode()).hexdigest()[:16]


def read_checkpoint(path: Path, variant: Variant, seed: int) -> dict[str, Any]:
    """Read a checkpoint of this variant and seed.

    Raises:
        SeqtoolError: the file cannot be read, or belongs to another recipe or seed.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = checkpoint["seqtool"]["fingerprint"]
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, pickle.UnpicklingError) as error:
        raise SeqtoolError(f"cannot read the checkpoint {path}: {_reason(error)}") from error
    for keys, kind in ENTRIES.items():
        if not isinstance(_entry(checkpoint, keys), kind):
            raise SeqtoolError(f"cannot read the checkpoint {path}: it is damaged: no valid entry {'.'.join(keys)}")
    if not all(isinstance(value, torch.Tensor) for value in checkpoint["state_dict"].values()):
        raise SeqtoolError(f"cannot read the checkpoint {path}: it is damaged: state_dict contains more than tensors")
    # the resolved recipe of an older run lacks options that were added since
    if found not in (fingerprint(variant, seed), _digest(variant.given, seed)):
        raise SeqtoolError(
            f"{path} belongs to another recipe or seed than {variant.name}, seed {seed}\n"
            "    allowed: a checkpoint of this run; a changed recipe needs a new run"
        )
    return checkpoint


def _entry(tree: Any, keys: Iterable[str]) -> Any:
    """A nested entry; None if it is missing."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _reason(error: Exception) -> str:
    """Why a checkpoint cannot be read. torch's own message recommends to load files that can run code."""
    if isinstance(error, OSError):
        return str(error)
    if isinstance(error, LookupError | TypeError):
        return "it was not written by seqtool"
    if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it contains {found[1]}, and a checkpoint contains only tensors and plain data, so it cannot run code"
    return "it is damaged, or not a checkpoint"
