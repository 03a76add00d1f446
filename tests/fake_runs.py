"""Run directories written by hand, as `seqtool run` writes them, with known figures and without training."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Call = Callable[..., tuple[int, str, str]]
"""The fixture `call`."""
SOURCE, EXAMPLES = 6, 8
COLUMNS = (
    "step,train_loss,train_token_accuracy,learning_rate,valid_loss,valid_token_accuracy,valid_attention_entropy,seconds"
)


def write_run(
    path: Path,
    variants: Sequence[str] = ("default",),
    seeds: Sequence[int] = (0,),
    *,
    wrong: Sequence[int] = (),
    symbols: str = "abc",
    heads: int = 2,
    attention: bool = True,
    finished: bool = True,
) -> Path:
    """A run that copies: example e has 2 + e % 3 symbols.

    Args:
        wrong: the examples whose last predicted symbol is wrong, for every variant and seed.
        symbols: the symbols of the sources.
    """
    path.mkdir(parents=True)
    plan = {"format": 1, "recipe": path.name, "variants": [*variants], "seeds": [*seeds], "device": None}
    (path / "run.json").write_text(json.dumps(plan))
    (path / "recipe.yaml").write_text("seqtool: 1\n")
    result: dict[str, Any] = {"format": 1, "run": str(path), "variants": {}}
    for i, variant in enumerate(variants):
        folder = path / variant
        folder.mkdir()
        (folder / "resolved.yaml").write_text(f"name: fake\nmodel: {{size: {i + 1}}}\ntrain: {{steps: 40}}\n")
        result["variants"][variant] = {"parameters": 100 * (i + 1), "seeds": {}}
        for seed in seeds:
            content = _write_seed(folder / f"seed{seed}", i, seed, wrong, symbols, heads, attention, finished)
            result["variants"][variant]["seeds"][str(seed)] = content
    if finished:
        (path / "result.json").write_text(json.dumps(result))
    return path


def _write_seed(
    place: Path, i: int, seed: int, wrong: Sequence[int], symbols: str, heads: int, attention: bool, finished: bool
) -> dict[str, Any]:
    place.mkdir()
    rows = []
    for step in range(10, 41, 10):
        loss = 2.0 - step / 40 + 0.1 * seed + i
        valid = f"{loss},{step / 40},{3 - step / 20}" if step % 20 == 0 else ",,"
        rows.append(f"{step},{loss},0.5,0.01,{valid},{step / 10}")
    (place / "metrics.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
    (place / "environment.json").write_text(json.dumps({"format": 1, "parameters": {"decoder": 100 * (i + 1)}}))
    content = {
        "train_loss": 1.0 + 0.1 * seed + i,
        "token_accuracy": 0.9 - 0.1 * seed,
        "sequence_accuracy": 0.5,
        "steps": 40,
        "seconds": 4.0 * (i + 1),
        "parameters": 100 * (i + 1),
        "best": {"step": 40},
    }
    if not finished:
        return content
    (place / "result.json").write_text(json.dumps({"format": 1, **content}))
    lines, gold = [], np.full((EXAMPLES, 4), -1)
    weights = np.zeros((EXAMPLES, heads, 4, SOURCE), np.float32)
    for e in range(EXAMPLES):
        length = 2 + e % 3
        target = [symbols[(e + k) % len(symbols)] for k in range(length)]
        source = target + [symbols[0]] * (SOURCE - length)
        predicted = [*target[:-1], "?"] if e in wrong else target
        lines.append(json.dumps({"source": source, "target": target, "predicted": predicted, "score": -0.5}))
        for k in range(length):
            gold[e, k] = k
            weights[e, :, k, k] = 0.75
            weights[e, :, k, k + 1] = 0.25
    (place / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    arrays: dict[str, Any] = {"gold": gold}
    if attention:
        arrays |= {"weights": weights, "memory_mask": np.ones((EXAMPLES, SOURCE), bool)}
    np.savez_compressed(place / "alignments.npz", **arrays)
    return content
