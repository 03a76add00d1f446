"""Checkpoints, read: plain data alone, and of the recipe and seed that they are said to be of."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch

from seqtool.errors import SeqtoolError
from seqtool.recipe import Variant


def fingerprint(variant: Variant, seed: int) -> str:
    """What a checkpoint must share with the variant that goes on with it: the resolved recipe and the seed."""
    return _digest(variant.data, seed)


def _digest(data: dict[str, Any], seed: int) -> str:
    return hashlib.sha256(json.dumps([data, seed], sort_keys=True).encode()).hexdigest()[:16]


def read_checkpoint(path: Path, variant: Variant, seed: int) -> dict[str, Any]:
    """A checkpoint of this variant and seed.

    Raises:
        SeqtoolError: it cannot be read, or belongs to another recipe or seed.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = checkpoint["seqtool"]["fingerprint"]
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise SeqtoolError(f"cannot read the checkpoint {path}: {error}") from error
    # a run of before an option was thought of has all that there was then in its resolved recipe
    if found not in (fingerprint(variant, seed), _digest(variant.given, seed)):
        raise SeqtoolError(
            f"{path} is a checkpoint of another recipe or seed than {variant.name}, seed {seed}\n"
            "    allowed: the checkpoint that this run wrote; a changed recipe needs a new run"
        )
    return checkpoint
