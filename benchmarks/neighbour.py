"""Training with different numbers of threads, on an idle machine and beside a process that keeps one core busy."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.racing import Result
from seqtool.training.threads import WAIT_POLICY

MODELS = {"H 32": [], "H 256": ["model.encoder.cell.hidden_size=256", "model.decoder.cell.hidden_size=256"]}
STEPS = {"H 32": 300, "H 256": 30}
MIN_SPEED = 0.8
"""Beside a busy process, `threads: auto` is at least this fast, compared with one thread."""
MAX_COST = 0.95
"""On an idle machine, several threads that wait passively are at least this fast, compared with active waiting."""
BUSY = "import os; os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])\nwhile True: pass"


def results(rounds: int, quick: bool) -> Iterator[Result]:
    """`seqtool run align_60_20_additive`: the speed of its last rows of metrics, in milliseconds per step."""
    for size, overrides in MODELS.items():
        steps = 4 if quick else STEPS[size]
        beside = Result(f"align_60_20_additive, {size}, beside a busy process")
        beside.bounds.append(("threads auto", "threads 1", MIN_SPEED))
        alone = Result(f"align_60_20_additive, {size}, idle machine")
        alone.bounds.append(("passive", "active", MAX_COST))
        for _ in range(rounds):
            with _busy_process():
                for threads in dict.fromkeys(("1", "auto", str(os.cpu_count()))):
                    beside.times.setdefault(f"threads {threads}", []).append(_milliseconds(overrides, steps, threads))
            for policy in ("passive", "active"):
                took = _milliseconds(overrides, steps, "auto", {WAIT_POLICY: policy})
                alone.times.setdefault(policy, []).append(took)
        yield from (beside, alone)


@contextlib.contextmanager
def _busy_process() -> Iterator[None]:
    """A process that computes on one core."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _milliseconds(overrides: list[str], steps: int, threads: str, environment: dict[str, str] | None = None) -> float:
    """Milliseconds per step of a run, from its result."""
    changes = [f"train.steps={steps}", f"train.validate_every={steps}", "train.accelerator=cpu", *overrides]
    changes.append(f"train.threads={threads}")
    flags = [word for change in changes for word in ("--set", change)]
    inherited = {key: value for key, value in os.environ.items() if key not in (WAIT_POLICY, "OMP_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = [sys.executable, "-m", "seqtool", "run", "align_60_20_additive", "--quiet", "--out", str(out), *flags]
        subprocess.run(words, check=True, env=inherited | (environment or {}), stdout=subprocess.DEVNULL)
        result = json.loads((out / "result.json").read_text())
    (variant,) = result["variants"].values()
    return 1000 / float(variant["seeds"]["0"]["steps_per_second"])
