"""Where the model looks, as pixels: what TensorBoard shows of an alignment."""

from typing import Any

import numpy as np

from seqtool.training.snapshots import Glimpse

EXAMPLES = 4
SIDE = 1024
"""Pixels that a picture's longer side may have, as long as a weight has one of its own."""
LARGEST = 12
"""Pixels at most a side of one weight."""
DARK = np.array([8, 48, 107])
GOLD = np.array([213, 94, 0])
EDGE = np.array([128, 128, 128])


def alignment_pictures(seen: Glimpse) -> dict[str, Any]:
    """`[height, width, 3]` uint8 for the first examples of a glimpse, by the name that TensorBoard lists them under.

    Target symbols downwards, source symbols to the right, heads beside one another; the darker, the more weight, and a
    frame where the gold symbol stands.
    """
    batch, found = seen.batch, {}
    for i in range(min(EXAMPLES, len(batch))):
        length, memory = int(batch.target_mask[i].sum()), seen.memory_mask[i].numpy()
        weights = seen.weights[i, :, :length].numpy()[:, :, memory]
        same = seen.weights.shape[3] == batch.source_mask.shape[1]
        gold = batch.alignment[i, :length].tolist() if same else []
        if weights.size:
            found[f"alignment/example_{i}"] = picture(weights, gold)
    return found


def picture(weights: Any, gold: list[int]) -> Any:
    """`weights [N, T, S]` and gold places, -1 for none -> `[height, width, 3]` uint8."""
    heads, rows, columns = weights.shape
    cell = max(1, min(LARGEST, SIDE // max(rows, heads * columns)))
    gap = np.broadcast_to(EDGE, (rows * cell, 1, 3))
    parts = []
    for head in weights:
        share = np.clip(
            np.nan_to_num(head) / max(0.25, float(np.nan_to_num(head).max())), 0, 1
        )  # even weights stay pale
        shade = 255 + share[:, :, None] * (DARK - 255.0)
        pixels = shade.repeat(cell, 0).repeat(cell, 1)
        for row, place in enumerate(gold):
            if place >= 0:
                frame(pixels[row * cell : (row + 1) * cell, place * cell : (place + 1) * cell])
        parts += [pixels, gap]
    return np.concatenate(parts[:-1], 1).round().astype(np.uint8)


def frame(pixels: Any) -> None:
    """Colour the edge of one weight, in place; all of it where it is too small to have an inside."""
    inside = pixels[1:-1, 1:-1].copy()
    pixels[:] = GOLD
    pixels[1:-1, 1:-1] = inside
