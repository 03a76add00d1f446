"""Sixteen seeds of a small model on one device: sequentially, and in processes that share it."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.gpu.contestants import bound
from benchmarks.gpu.report import FailedError, Item, Setting

SPEEDUP = 3.0
"""Required speedup of the best number of processes over one process."""


def items(setting: Setting) -> Iterator[Item]:
    """A single item, since its times are compared with each other."""
    yield Item("seeds in processes", partial(_seeds, setting), most=600)


def _seeds(setting: Setting) -> tuple[list[str], Any]:
    count, steps, numbers = (2, 5, (1, 2)) if setting.quick else (16, 1000, (8, 1, 16, 4))
    seconds: dict[int, float] = {}
    training: dict[int, float] = {}
    for workers in numbers:
        if len(seconds) > 1 and setting.left < 1.2 * min(seconds.values()):
            continue
        seconds[workers], training[workers] = _train(count, steps, workers, setting)
    lines = [
        f"  {workers} workers: {taken:.1f} s; training of one seed {training[workers]:.2f} s"
        for workers, taken in sorted(seconds.items())
    ]
    fastest = min(seconds, key=seconds.__getitem__)
    data: dict[str, Any] = {"seeds": count, "steps": steps, "seconds": seconds, "training": training}
    if 1 in seconds:
        lines.append(bound(f"{fastest} workers against one:", seconds[1] / seconds[fastest], SPEEDUP))
    return lines, data


def _train(count: int, steps: int, workers: int, setting: Setting) -> tuple[float, float]:
    """Seconds of the complete command, and the mean training time of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "align_60_20", "--variant", "attentive", "--out", f"{folder}/run", "--quiet"]
        words += ["--device", str(setting.device), "--workers", str(workers)]
        words += [word for seed in range(count) for word in ("--seed", str(seed))]
        words += ["--set", f"train.steps={steps}", "--set", f"train.validate_every={steps}"]
        start = time.perf_counter()
        _seqtool(*words, most=setting.left)
        taken = time.perf_counter() - start
        results = [json.loads(path.read_text()) for path in Path(folder).glob("run/*/seed*/result.json")]
        return taken, mean(result["seconds"] for result in results)


def _seqtool(*words: str, most: float = 60) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "seqtool", *words],
        capture_output=True, text=True, check=False, timeout=max(most, 1), cwd=Path(__file__).parents[2],
    )  # fmt: skip
    if done.returncode:
        raise FailedError(f"seqtool {words[0]} exited {done.returncode}: {done.stderr.strip()[-1500:]}")
    return done.stdout
