"""Packs examples and attention weights into text: 8-bit weights, deflate, base64."""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from seqtool.runs.contents import AttentionWeights, Example, Seed

MAX_SYMBOLS = 400
"""Maximum number of symbols of a source and of a target."""
MAX_CHARACTERS = 200
"""Maximum number of characters of a symbol."""
FINAL = -1
"""The step of the free-running predictions after training."""


class Symbols:
    """Numbers symbols in the order of their first occurrence."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def numbers_of(self, symbols: Sequence[str]) -> list[int]:
        return [self.numbers.setdefault(truncate(symbol), len(self.numbers)) for symbol in symbols[:MAX_SYMBOLS]]


def truncate(symbol: str, characters: int = MAX_CHARACTERS) -> str:
    """Truncate a symbol, and append its length."""
    return symbol if len(symbol) <= characters else f"{symbol[:characters]}… ({len(symbol):,} characters)"


def pack_seed(seed: Seed, budget: int) -> str:
    """Pack the data of the alignment explorer for one seed.

    The packed bytes are the length of the header (4 bytes, little-endian), the header (JSON), and the weights, one byte
    each, in row-major order. The header gives the offset of the weights of each view.

    Args:
        budget: approximate limit in bytes for the packed weights. The weights of later examples are omitted. A third of
            it limits the characters of symbols, and so the number of examples.
    """
    symbols, content = Symbols(), bytearray()
    examples = _affordable(seed.examples or seed.snapshot_examples, budget // 3)
    header: dict[str, Any] = {
        "examples": [_example(example, symbols) for example in examples],
        "symbols": list(symbols.numbers),
        "views": [],
        "omitted": 0,  # number of examples without weights
        "total": len(seed.examples or seed.snapshot_examples),
    }
    used = 0
    for row, example in enumerate(examples):
        here = [(step, looks) for step, looks in seed.snapshots.items() if row < len(looks.weights)]
        if seed.attention is not None and row < len(seed.attention.weights):
            here.append((FINAL, seed.attention))
        blocks = [_block(step, row, looks, example) for step, looks in here]
        used += len(zlib.compress(b"".join(packed for _, packed in blocks), 1)) * 4 // 3
        if used > budget:
            header["omitted"] += bool(blocks)
            header["views"].append([])
            continue
        for view, packed in blocks:
            view["at"] = len(content)
            content += packed
        header["views"].append([view for view, _ in blocks])
    text = json.dumps(header, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(len(text).to_bytes(4, "little") + text + content, 6)).decode()


def _affordable(examples: Sequence[Example], characters: int) -> Sequence[Example]:
    """The first examples whose distinct symbols fit in the number of characters, but at least one."""
    known: set[str] = set()
    for i, example in enumerate(examples):
        new = {truncate(symbol) for part in _sides(example) for symbol in part[:MAX_SYMBOLS]} - known
        characters -= sum(map(len, new))
        if characters < 0:
            return examples[: max(1, i)]
        known |= new
    return examples


def _sides(example: Example) -> list[list[str]]:
    return [example.source, example.target, example.predicted or []]


def _example(example: Example, symbols: Symbols) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": symbols.numbers_of(example.source),
        "target": symbols.numbers_of(example.target),
        "lengths": [len(example.source), len(example.target)],
    }
    if example.predicted is not None:
        found["predicted"] = symbols.numbers_of(example.predicted)
        found["lengths"].append(len(example.predicted))
        found["exact"] = example.exact
        found["score"] = example.score
    if example.predicted is not None and example.symbolic:
        found["right"] = [int(right) for right in right_symbols(example.target, example.predicted)[:MAX_SYMBOLS]]
    return found


def right_symbols(target: Sequence[str], predicted: Sequence[str]) -> list[bool]:
    """Which predicted symbols are correct: by position if the lengths are equal, else by the minimal edit script."""
    if len(target) == len(predicted):
        return [one == other for one, other in zip(target, predicted, strict=True)]
    right = [False] * len(predicted)
    for block in Levenshtein.editops(target, predicted).as_matching_blocks():
        right[block.b : block.b + block.size] = [True] * block.size
    return right


def _block(step: int, row: int, looks: AttentionWeights, example: Example) -> tuple[dict[str, Any], bytes]:
    """The real weights of one example in 8 bits, scaled by the maximum of each head."""
    written = example.predicted if step == FINAL and example.predicted is not None else example.target
    steps = min(len(written), MAX_SYMBOLS, looks.weights.shape[2])
    memory = min(int(looks.memory_mask[row].sum()), MAX_SYMBOLS)
    weights = looks.weights[row, :, :steps, :memory]
    scale = weights.max((1, 2), initial=0)
    levels = np.round(weights / np.where(scale > 0, scale, 1)[:, None, None] * 255).astype(np.uint8)
    view: dict[str, Any] = {
        "step": step,
        "shape": list(weights.shape),
        "memory": int(looks.memory_mask[row].sum()),
        "scale": [float(f"{one:.5g}") for one in scale],
        "gold": looks.gold[row, :steps].tolist(),
    }
    if looks.correct is not None and step != FINAL and example.symbolic:
        view["right"] = [int(right) for right in looks.correct[row, :steps]]
    return view, levels.tobytes()
