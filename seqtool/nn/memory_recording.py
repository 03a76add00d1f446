"""Records the mask of the memory, for the inspection of attention weights."""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from seqtool.parts.types import Encoded


@contextlib.contextmanager
def record_memory_masks(encoder: nn.Module) -> Iterator[list[Tensor]]:
    """Record the memory mask `[B, M]` of each call of the encoder while the context is open."""
    masks: list[Tensor] = []

    def keep(module: nn.Module, arguments: Any, encoded: Encoded) -> None:
        masks.append(encoded.mask)

    handle = encoder.register_forward_hook(keep)
    try:
        yield masks
    finally:
        handle.remove()
