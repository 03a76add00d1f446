"""The batch that every task makes and every model, loss and metric reads."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B examples, padded on the right to S source and T target positions.

    `source`: ids `[B, S]` int64, or vectors `[B, S, F]`. `target`: ids `[B, T]` int64, or values `[B, T, F]`.
    `source_mask [B, S]`, `target_mask [B, T]`: bool, True = real, prefixes of the row.
    `alignment [B, T]`: int64, the source index that each target symbol comes from, -1 where there is none;
    a task that has no gold alignment at all gives -1 everywhere. Ids at padding are 0 and mean nothing.
    """

    source: Tensor
    source_mask: Tensor
    target: Tensor
    target_mask: Tensor
    alignment: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device. From the CPU to a CUDA device it is copied without a wait."""
        tensors = [getattr(self, field.name) for field in fields(self)]
        if torch.device(device).type == "cuda" and self.target.device.type == "cpu":
            return Batch(*(tensor.pin_memory().to(device, non_blocking=True) for tensor in tensors))
        return Batch(*(tensor.to(device) for tensor in tensors))

    def __len__(self) -> int:
        return self.source.shape[0]

    def __getitem__(self, rows: slice) -> "Batch":
        """Some of the examples, with the same padding."""
        return Batch(*(getattr(self, field.name)[rows] for field in fields(self)))
