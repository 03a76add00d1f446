"""What the files of a validation sample share: arrays written whole, ids as symbols."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from seqtool.parts.vocabulary import Vocabulary
from seqtool.runs.files import write_atomic


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an .npz file, whole or not at all."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_atomic(path, packed.getvalue())


def symbols(ids: Tensor, mask: Tensor, vocabulary: Vocabulary) -> list[Any]:
    """The symbols of the real positions of a row, or their vectors."""
    if vocabulary.modality == "continuous":
        return [[round(value, 6) for value in vector] for vector in ids[mask].tolist()]
    return list(vocabulary.names(ids[mask].tolist()))
