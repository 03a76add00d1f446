"""Speed of two checkouts of seqtool, timed in turn: is one slower than the other?

    OMP_NUM_THREADS=1 python -m benchmarks.commits OLD NEW --rounds 7

`OLD` and `NEW` are `CHECKOUT:PYTHON`: a folder and the interpreter of an environment in which it is installed. Each
checkout runs its own benchmarks in a process that waits while the other is timed. Run it alone on the machine.
"""

import argparse
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SERVER = """
import subprocess, sys, tempfile, time
from benchmarks import loop, steps
from benchmarks.shapes import Shape
from seqtool.recipe import load_recipe

def training(family, hidden, engine):
    return repeated(steps.training(family, Shape(hidden=hidden), engine=engine))

def decoding(search, engine):
    return repeated(steps.decoding("input_feeding", Shape(hidden=256, batch=256), search, engine=engine))

def run(recipe, variant, count=300):
    changes = [f"train.steps={count}", f"train.validate_every={count}", "train.accelerator=cpu"]
    chosen = load_recipe(recipe, overrides=changes).variants[variant]
    return lambda: loop.seqtool_loop(chosen, count)

def command(*words):
    def timed():
        with tempfile.TemporaryDirectory() as folder:
            line = [sys.executable, "-m", "seqtool", *(word.replace("NEW", folder + "/new") for word in words)]
            start = time.perf_counter()
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return 1000 * (time.perf_counter() - start)
    return timed

def repeated(step, shortest=0.3):
    step(), step()
    start = time.perf_counter()
    step()
    count = max(1, round(shortest / (time.perf_counter() - start)))
    def timed():
        start = time.perf_counter()
        for _ in range(count):
            step()
        return 1000 * (time.perf_counter() - start) / count
    return timed

for line in sys.stdin:
    if line.startswith("prepare "):
        timed = eval(line[len("prepare "):])
        timed()
        print("ready", flush=True)
    else:
        print(timed(), flush=True)
"""

TIMED = (
    *(f"training({family!r}, 32, {engine!r})" for family in ("gmm", "plain", "input_feeding", "attend_before")
      for engine in ("auto", "reference")),
    *(f"training({family!r}, 256, 'auto')" for family in ("input_feeding", "attend_before")),
    *(f"decoding({search!r}, {engine!r})" for search in ("greedy", "beam") for engine in ("auto", "reference")),
    *(f"run({recipe!r}, {variant!r})" for recipe in ("align_30_10", "align_60_20")
      for variant in ("attentive", "encoder_decoder")),
    "command('--help')",
    "command('plugins')",
    "command('run', 'align_60_20', '--set', 'train.steps=100', '--quiet', '--out', 'NEW')",
)  # fmt: skip
"""What is timed, as expressions for `SERVER`, in milliseconds per step, decoded batch or command."""


@contextmanager
def serving(place: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that times what it is asked to, in the checkout's own environment."""
    folder, _, python = place.partition(":")
    command = [python, "-c", SERVER]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: "subprocess.Popen[str]", line: str) -> str:
    """One line to the process and its answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(line, file=process.stdin, flush=True)
    answer = process.stdout.readline().strip()
    if not answer:
        raise SystemExit(f"the process ended at {line!r}")
    return answer


def report(what: str, old: Sequence[float], new: Sequence[float]) -> None:
    """Medians, and how fast the new one is relative to the old: above 1 is faster."""
    ratios = [a / b for a, b in zip(old, new, strict=True)]
    print(
        f"{what:<45} {statistics.median(old):9.2f} {statistics.median(new):9.2f} ms   "
        f"{statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]",
        flush=True,
    )


def main() -> None:
    """Time everything in both, in an order that alternates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="what contains this text")
    arguments = parser.parse_args()
    with serving(arguments.old) as old, serving(arguments.new) as new:
        for what in TIMED:
            if arguments.only not in what:
                continue
            for process in (old, new):
                ask(process, f"prepare {what}")
            times: dict[subprocess.Popen[str], list[float]] = {old: [], new: []}
            for k in range(arguments.rounds):
                for process in (old, new)[:: 1 if k % 2 else -1]:
                    times[process].append(float(ask(process, "time")))
            report(what, times[old], times[new])


if __name__ == "__main__":
    main()
