"""A recipe that trains in seconds, and comparisons of two runs."""

import csv
import json
from pathlib import Path
from typing import Any

import torch

SMALL = """\
seqtool: 1
name: small
seeds: [0]
task: {type: alignment, source_length: 9, target_length: 4, min_source_length: 6, min_target_length: 2, symbols: 3}
model:
  encoder: {type: rnn, bidirectional: true, cell: {type: lstm, hidden_size: 8}}
  decoder:
    type: attend_before
    cell: {type: gru, hidden_size: 8}
    attention: {scorer: additive}
    bridge: linear
train:
  steps: 60
  batch_size: 8
  optimizer: {type: adam, lr: 3e-3}
  schedule: {type: cosine, warmup_steps: 7}
  clip_norm: 1.0
  validate_every: 25
  validation_batches: 2
  validation_batch_size: 16
  checkpoint_every: 10
  log_every: 7
  accelerator: cpu
"""

REVERSES = """\
seqtool: 1
name: reverses
seeds: [3]
task: {type: reverse, length: 6, min_length: 3, symbols: 4, ending: eos}
model:
  encoder: {type: rnn, bidirectional: true, cell: {type: gru, hidden_size: 32}}
  decoder:
    type: attend_before
    cell: {type: gru, hidden_size: 32}
    attention: {scorer: additive, heads: 2}
    bridge: linear
train:
  steps: 120
  batch_size: 32
  optimizer: {type: adam, lr: 1e-2}
  validate_every: 60
  validation_batches: 3
  validation_batch_size: 20
  accelerator: cpu
"""
"""A recipe that learns most of its task but makes errors."""


def rows(folder: Path) -> list[dict[str, str]]:
    """A seed's metrics without times."""
    with open(folder / "metrics.csv", newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def figures(folder: Path) -> dict[str, Any]:
    """A seed's result without times."""
    result = json.loads((folder / "result.json").read_text())
    return {name: value for name, value in result.items() if name not in ("seconds", "steps_per_second")}


def same_run(one: Path, other: Path) -> None:
    """Equal rows, results, predictions, snapshots and weights, bit for bit."""
    assert rows(one) == rows(other)
    assert figures(one) == figures(other)
    assert (one / "predictions.jsonl").read_bytes() == (other / "predictions.jsonl").read_bytes()
    kept = [sorted(path.name for path in (folder / "snapshots").iterdir()) for folder in (one, other)]
    assert kept[0] == kept[1]
    for name in kept[0]:
        assert (one / "snapshots" / name).read_bytes() == (other / "snapshots" / name).read_bytes()
    for name in ("last.ckpt", "best.ckpt"):
        a, b = (torch.load(folder / name, weights_only=True)["state_dict"] for folder in (one, other))
        assert all(torch.equal(a[key], b[key]) for key in a)
