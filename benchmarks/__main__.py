"""Every work side by side, interleaved, to a table and JSON.

    OMP_NUM_THREADS=1 python -m benchmarks                        # training, decoding, data, commands
    OMP_NUM_THREADS=2 python -m benchmarks training --json training.json
    python -m benchmarks families growth --rounds 3
    python -m benchmarks --quick                                  # tiny sizes, one round: that it runs
    python -m benchmarks gpu                                      # on an accelerator: benchmarks/gpu/command.py

Ratios are medians of the rounds' ratios, the least and the largest in brackets. Run it alone on the machine.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import accuracy, calls, growth, seeds, works
from benchmarks.gpu import command
from benchmarks.racing import SHORTEST, Race, Result, run


def main() -> None:
    """Run the named works, print their tables, write the JSON."""
    if sys.argv[1:2] == ["gpu"]:
        command.main(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "works",
        nargs="*",
        help="training families decoding seeds growth data commands accuracy calls; default: the first, "
        "decoding, seeds, data and commands",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="race torch.compile too (minutes of compiling)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round; the times mean nothing")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    arguments = parser.parse_args()
    known = catalogue(arguments.compile, arguments.quick, arguments.rounds)
    names = arguments.works or ["training", "decoding", "seeds", "data", "commands"]
    for name in names:
        if name not in known:
            parser.error(f"no work {name!r}; there are {', '.join(known)}")
    print(f"{machine()['cpu']}, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
    results = []
    for name in names:
        for work in known[name]():
            rounds, shortest = (1, 0) if arguments.quick else (arguments.rounds, SHORTEST)
            result = run(work, rounds, shortest) if isinstance(work, Race) else work
            results.append(result)
            print(table(result), flush=True)
    if arguments.json:
        told = {"machine": machine(), "results": [result.as_json() for result in results]}
        arguments.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def catalogue(compiled: bool, quick: bool, rounds: int) -> dict[str, Callable[[], Iterable[Race | Result]]]:
    """The works by name: races to be run, or results of what is no race."""
    shapes = works.QUICK if quick else works.ALL
    return {
        "training": partial(works.training, compiled, works.QUICK[0] if quick else None),
        "families": partial(works.families, shapes),
        "decoding": partial(works.decoding, works.QUICK[0] if quick else None),
        "seeds": partial(seeds.races, works.QUICK[0] if quick else None),
        "growth": partial(growth.races, quick),
        "data": works.data,
        "commands": works.commands,
        "calls": calls.races,
        "accuracy": partial(accuracy.results, 1 if quick else rounds, quick),
    }


def table(result: Result) -> str:
    """A race in lines: milliseconds a step, ratios to the first contestant, bounds held or missed."""
    lines = ["", result.name]
    first = next(iter(result.times), "")
    for name in result.times:
        ratio, low, high = result.ratio(first, name)
        beside = "" if name == first else f"   {first} is {ratio:.2f} times as fast [{low:.2f}, {high:.2f}]"
        lines.append(f"  {name:<22} {result.median(name):9.2f} ms{beside}")
    for name, why in result.absent.items():
        lines.append(f"  {name:<22} absent: {why}")
    for name, over, least in result.bounds:
        if name in result.times and over in result.times:
            ratio = result.ratio(name, over)[0]
            held = "holds" if ratio >= least else "MISSED"
            lines.append(f"  bound: {name} at least {least:.2f} times as fast as {over}: {ratio:.2f}, {held}")
    return "\n".join(lines + [f"  {note}" for note in result.notes])


def machine() -> dict[str, Any]:
    """What the times were taken on."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        named = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = named[0].partition(": ")[2] if named else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of this source tree; outside a repository, that in the environment variable BENCHMARK_COMMIT."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    with contextlib.suppress(OSError):
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if found:
            return found
    return os.environ.get("BENCHMARK_COMMIT")


if __name__ == "__main__":
    main()
