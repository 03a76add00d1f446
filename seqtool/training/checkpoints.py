"""Checkpoints: whole files of plain data, loaded with `weights_only`."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from seqtool.errors import SeqtoolError
from seqtool.files import write_atomic_with
from seqtool.recipe import Variant


class AtomicCheckpoints(CheckpointIO):
    """Writes a checkpoint whole or not at all; a kill at any moment leaves the one before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`."""
        write_atomic_with(Path(path), lambda file: torch.save(checkpoint, file))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> Any:
        """Read tensors and plain data; anything else is refused."""
        return torch.load(path, map_location="cpu", weights_only=True)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


def fingerprint(variant: Variant, seed: int) -> str:
    """What a checkpoint must share with the variant that goes on with it: the resolved recipe and the seed."""
    text = json.dumps([variant.data, seed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
    if found != fingerprint(variant, seed):
        raise SeqtoolError(
            f"{path} is a checkpoint of another recipe or seed than {variant.name}, seed {seed}\n"
            "    allowed: the checkpoint that this run wrote; a changed recipe needs a new run"
        )
    return checkpoint
