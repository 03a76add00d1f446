"""A batch of examples: what tasks return and what models, losses and metrics take."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B examples, padded on the right to S source and T target positions.

    `source`: ids `[B, S]` int64, or vectors `[B, S, F]`. `target`: ids `[B, T]` int64, or vectors `[B, T, F]`.
    `source_mask [B, S]`, `target_mask [B, T]`: bool, True = real, prefixes of the row.
    `alignment [B, T]`: int64, the gold source index of each target symbol, -1 for none; -1 everywhere if the task has
    no gold alignments. Ids at padding are 0.
    """

    source: Tensor
    source_mask: Tensor
    target: Tensor
    target_mask: Tensor
    alignment: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device. Copies from the CPU to a CUDA device are pinned and non-blocking."""
        tensors = [getattr(self, field.name) for field in fields(self)]
        if torch.device(device).type == "cuda" and self.target.device.type == "cpu":
            return Batch(*(tensor.pin_memory().to(device, non_blocking=True) for tensor in tensors))
        return Batch(*(tensor.to(device) for tensor in tensors))

    def __len__(self) -> int:
        return self.source.shape[0]

    def __getitem__(self, rows: slice) -> "Batch":
        """Some of the examples, with the same padding."""
        return Batch(*(getattr(self, field.name)[rows] for field in fields(self)))
