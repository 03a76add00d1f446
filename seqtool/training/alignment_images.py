"""Images of attention weights for TensorBoard."""

from typing import Any

import numpy as np

from seqtool.training.snapshots import Snapshot

MAX_IMAGES = 4
MAX_SIDE = 1024
"""Pixels of an image's longer side, unless one pixel for each weight needs more."""
MAX_CELL = 12
"""Pixels of the side of one weight, at most."""
DARK = np.array([8, 48, 107])
GOLD = np.array([213, 94, 0])
EDGE = np.array([128, 128, 128])


def alignment_images(snapshot: Snapshot) -> dict[str, Any]:
    """`[height, width, 3]` uint8 images of the first examples, by TensorBoard tag.

    Rows are target symbols, columns are source symbols, and heads are side by side. Darker means more weight. A frame
    marks the gold alignment.
    """
    batch, images = snapshot.batch, {}
    for i in range(min(MAX_IMAGES, len(batch))):
        length, memory = int(batch.target_mask[i].sum()), snapshot.memory_mask[i].numpy()
        weights = snapshot.weights[i, :, :length].numpy()[:, :, memory]
        same_length = snapshot.weights.shape[3] == batch.source_mask.shape[1]
        gold = batch.alignment[i, :length].tolist() if same_length else []
        if weights.size:
            images[f"alignment/example_{i}"] = alignment_image(weights, gold)
    return images


def alignment_image(weights: Any, gold: list[int]) -> Any:
    """`weights [N, T, S]` and gold positions, -1 for none -> `[height, width, 3]` uint8."""
    heads, rows, columns = weights.shape
    cell = max(1, min(MAX_CELL, MAX_SIDE // max(rows, heads * columns)))
    gap = np.broadcast_to(EDGE, (rows * cell, 1, 3))
    parts = []
    for head in weights:
        scale = max(0.25, float(np.nan_to_num(head).max()))  # uniform weights stay pale
        shade = 255 + np.clip(np.nan_to_num(head) / scale, 0, 1)[:, :, None] * (DARK - 255.0)
        pixels = shade.repeat(cell, 0).repeat(cell, 1)
        for row, position in enumerate(gold):
            if position >= 0:
                _draw_frame(pixels[row * cell : (row + 1) * cell, position * cell : (position + 1) * cell])
        parts += [pixels, gap]
    return np.concatenate(parts[:-1], 1).round().astype(np.uint8)


def _draw_frame(pixels: Any) -> None:
    """Colour the border of one weight in place, or all of it if it has no inside."""
    inside = pixels[1:-1, 1:-1].copy()
    pixels[:] = GOLD
    pixels[1:-1, 1:-1] = inside
