"""Helpers for the files of validation examples: atomic .npz files and readable symbols."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from seqtool.parts.vocabulary import Vocabulary
from seqtool.runs.files import write_atomic


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write a compressed .npz file atomically."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_atomic(path, packed.getvalue())


def readable(ids: Tensor, mask: Tensor, vocabulary: Vocabulary) -> list[Any]:
    """The symbols at the real positions of one row; vectors if the vocabulary is continuous."""
    if vocabulary.modality == "continuous":
        return [[round(value, 6) for value in vector] for vector in ids[mask].tolist()]
    return list(vocabulary.names(ids[mask].tolist()))
