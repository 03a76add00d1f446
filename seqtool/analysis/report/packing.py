"""Examples and weights as one compressed text for a page: weights in 8 bits, deflated, base64."""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from seqtool.runs.contents import Example, Looks, Seed

LONGEST = 400
"""So many symbols of a source and of a target are shown."""
CHARACTERS = 200
"""So many characters of a symbol are shown."""
FINAL = -1
"""Stands for the step of what was decoded freely at the end."""


class Symbols:
    """Numbers for symbols, in the order in which they come."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def of(self, symbols: Sequence[str]) -> list[int]:
        return [self.numbers.setdefault(cut(symbol), len(self.numbers)) for symbol in symbols[:LONGEST]]


def cut(symbol: str, characters: int = CHARACTERS) -> str:
    """At most so many characters of a symbol, and how many there are."""
    return symbol if len(symbol) <= characters else f"{symbol[:characters]}… ({len(symbol):,} characters)"


def pack_seed(seed: Seed, budget: int) -> str:
    """All that the explorer shows of a seed, as text.

    Packed are, one after the other: the length of the header, 4 bytes little-endian; the header, JSON; the weights, a
    byte each, row by row. The header says where those of an example begin.

    Args:
        budget: about how many bytes the weights may take in the page, and three times the characters of the symbols;
            later examples go without.
    """
    symbols, content = Symbols(), bytearray()
    examples = _affordable(seed.examples or seed.watched, budget // 3)
    header: dict[str, Any] = {
        "examples": [_example(example, symbols) for example in examples],
        "symbols": list(symbols.numbers),
        "looks": [],
        "left_out": 0,  # examples that go without weights
        "total": len(seed.examples or seed.watched),
    }
    used = 0
    views = [(step, looks) for step, looks in seed.snapshots.items()]
    for row, example in enumerate(examples):
        here = [(step, looks) for step, looks in views if row < len(looks.weights)]
        if seed.looks is not None and row < len(seed.looks.weights):
            here.append((FINAL, seed.looks))
        blocks = [_block(step, row, looks, example) for step, looks in here]
        used += len(zlib.compress(b"".join(packed for _, packed in blocks), 1)) * 4 // 3
        if used > budget:
            header["left_out"] += bool(blocks)
            header["looks"].append([])
            continue
        for look, packed in blocks:
            look["at"] = len(content)
            content += packed
        header["looks"].append([look for look, _ in blocks])
    text = json.dumps(header, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(len(text).to_bytes(4, "little") + text + content, 6)).decode()


def _affordable(examples: Sequence[Example], characters: int) -> Sequence[Example]:
    """The first of them whose different symbols have no more characters than that, but one at least."""
    known: set[str] = set()
    for i, example in enumerate(examples):
        new = {cut(symbol) for part in _sides(example) for symbol in part[:LONGEST]} - known
        characters -= sum(map(len, new))
        if characters < 0:
            return examples[: max(1, i)]
        known |= new
    return examples


def _sides(example: Example) -> list[list[str]]:
    return [example.source, example.target, example.predicted or []]


def _example(example: Example, symbols: Symbols) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": symbols.of(example.source),
        "target": symbols.of(example.target),
        "lengths": [len(example.source), len(example.target)],
    }
    if example.predicted is not None:
        found["predicted"] = symbols.of(example.predicted)
        found["lengths"].append(len(example.predicted))
        found["exact"] = example.exact
        found["score"] = example.score
    if example.predicted is not None and example.judged:
        found["right"] = [int(right) for right in right_symbols(example.target, example.predicted)[:LONGEST]]
    return found


def right_symbols(target: Sequence[str], predicted: Sequence[str]) -> list[bool]:
    """Which symbols of a prediction are right: in place if the lengths agree, else those kept by the fewest edits."""
    if len(target) == len(predicted):
        return [one == other for one, other in zip(target, predicted, strict=True)]
    right = [False] * len(predicted)
    for block in Levenshtein.editops(target, predicted).as_matching_blocks():
        right[block.b : block.b + block.size] = [True] * block.size
    return right


def _block(step: int, row: int, looks: Looks, example: Example) -> tuple[dict[str, Any], bytes]:
    """The weights of one example: its real steps and memory, in 8 bits of the largest of each head."""
    written = example.predicted if step == FINAL and example.predicted is not None else example.target
    steps = min(len(written), LONGEST, looks.weights.shape[2])
    memory = min(int(looks.memory_mask[row].sum()), LONGEST)
    weights = looks.weights[row, :, :steps, :memory]
    scale = weights.max((1, 2), initial=0)
    levels = np.round(weights / np.where(scale > 0, scale, 1)[:, None, None] * 255).astype(np.uint8)
    look: dict[str, Any] = {
        "step": step,
        "shape": list(weights.shape),
        "memory": int(looks.memory_mask[row].sum()),
        "scale": [float(f"{one:.5g}") for one in scale],
        "gold": looks.gold[row, :steps].tolist(),
    }
    if looks.right is not None and step != FINAL and example.judged:
        look["right"] = [int(right) for right in looks.right[row, :steps]]
    return look, levels.tobytes()
