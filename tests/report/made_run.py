"""Run directories as training writes them, with figures, symbols and weights given by a test."""

import io
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.runs import RunDirectory, SeedDirectory
from seqtool.runs.create import create_run
from seqtool.runs.files import write_atomic

RESOLVED = """\
seqtool: 1
name: made
task: {{type: 'tasks:alignment', source_length: 60}}
model:
  decoder: {{type: 'decoders:attend_before', heads: {heads}}}
train: {{steps: 100}}
"""


def made_run(
    path: Path,
    *,
    variants: Sequence[str] = ("attentive", "other"),
    seeds: Sequence[int] = (0, 1),
    examples: int = 12,
    source: int = 12,
    target: int = 5,
    heads: Mapping[str, int] | None = None,
    snapshots: Sequence[int] = (25, 50, 100),
    symbols: Sequence[str] = ("a", "b", "c", "_"),
    dense: bool = False,
    name: str = "made",
) -> RunDirectory:
    """Write a finished run. `heads`: the number of heads of each variant, 0 without attention; default: 2 each."""
    plan = {
        "recipe": name,
        "source": "made.yaml",
        "variants": list(variants),
        "seeds": list(seeds),
        "device": "cpu",
        "overrides": ["train.steps=100"],
        "command": ["seqtool", "run", "made.yaml"],
        "created": "2026-11-21T10:15:00+00:00",
        "versions": {"seqtool": "0.1.0", "torch": "2.13.0"},
        "plugins": [{"name": "tasks", "distribution": "seqtool", "version": "0.1.0"}],
        "git": None,
    }
    of = {variant: 2 if heads is None else heads[variant] for variant in variants}
    resolved = {variant: RESOLVED.format(heads=of[variant]) for variant in variants}
    run = create_run(path, plan, "seqtool: 1\nname: made\n", resolved, {variant: {} for variant in variants})
    for i, variant in enumerate(variants):
        for seed in seeds:
            place = run.seed(variant, seed)
            _write_seed(place, random.Random(f"{variant} {seed}"), i, examples, source, target, symbols)
            if of[variant]:
                _write_looks(place, of[variant], snapshots, dense)
    run.write_result()
    return run


def _write_seed(
    place: SeedDirectory, chance: random.Random, i: int, examples: int, source: int, target: int, symbols: Sequence[str]
) -> None:
    columns = ["step", "train_loss", "learning_rate", "valid_loss", "valid_token_accuracy", "seconds"]
    place.prepare(columns, 0)
    place.write_environment({"seed": 0, "device": "cpu", "parameters": {"encoder": 10, "decoder": 32}})
    for step in range(5, 101, 5):
        row = {"step": step, "train_loss": 2 / step + 0.1 * i, "learning_rate": 0.001, "seconds": step / 10}
        if step % 25 == 0:
            row |= {"valid_loss": 2 / step, "valid_token_accuracy": 0.5 + step / 250 + chance.random() / 50}
        place.append_metrics([row])
    fixed = random.Random(examples)  # validation examples are the same for every seed
    lines = []
    for _ in range(examples):
        shown = [fixed.choice(symbols) for _ in range(source)]
        gold = sorted(fixed.sample(range(source), min(target, source)))
        wanted = [shown[at] for at in gold]
        written = [symbol if chance.random() < 0.9 else chance.choice(symbols) for symbol in wanted]
        line = {"source": shown, "target": wanted, "predicted": written, "score": -0.5, "exact": written == wanted}
        lines.append((line, gold))
    write_lines(place.predictions, [line for line, _ in lines])
    write_arrays(place.alignments, {"gold": np.array([gold for _, gold in lines])})
    result = {"train_loss": 0.02 + 0.1 * i, "valid_loss": 0.02, "token_accuracy": 0.9, "sequence_accuracy": 0.5}
    place.write_result(
        {**result, "steps": 100, "seconds": 10.0, "steps_per_second": 10.0, "best": {}, "parameters": 42}
    )


def _write_looks(place: SeedDirectory, heads: int, snapshots: Sequence[int], dense: bool) -> None:
    """Weights on gold: .8 in the first head, .4 in the second, the rest uniform; smaller early in training."""
    with np.load(place.alignments) as arrays:
        gold = arrays["gold"]
    lines = place.read_predictions()
    examples, target, source = len(lines), gold.shape[1], len(lines[0]["source"])
    draw = np.random.default_rng(3)
    peaks = np.eye(source)[gold][:, None] * (0.8 / (1 + np.arange(heads)))[None, :, None, None]
    spread = draw.random((examples, heads, target, source)) if dense else np.ones((examples, heads, target, source))
    rest = 1 - peaks.sum(3, keepdims=True)
    weights = (peaks + rest * spread / spread.sum(3, keepdims=True)).astype(np.float32)
    mask = np.ones((examples, source), bool)
    write_arrays(place.alignments, {"gold": gold, "weights": weights, "memory_mask": mask})
    place.snapshots.mkdir(exist_ok=True)
    few = slice(0, min(8, examples))
    write_lines(place.snapshot_examples, [{"source": line["source"], "target": line["target"]} for line in lines[few]])
    for step in snapshots:
        faint = weights[few] * (step / max(snapshots)) + (1 - step / max(snapshots)) / source
        scale = faint.max((2, 3))
        levels = np.round(faint / scale[:, :, None, None] * 255).astype(np.uint8)
        right = np.full((examples, target), step == max(snapshots))[few]
        found = {"weights": levels, "scale": scale, "memory_mask": mask[few], "gold": gold[few], "right": right}
        write_arrays(place.snapshot(step), found)


def write_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    write_atomic(path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_atomic(path, packed.getvalue())
