"""Runs benchmarks with interleaved contestants, and prints tables and JSON.

    OMP_NUM_THREADS=1 python -m benchmarks                        # training, decoding, data, commands
    OMP_NUM_THREADS=2 python -m benchmarks training --json training.json
    python -m benchmarks families growth --rounds 3
    python -m benchmarks --quick                                  # tiny sizes, one round, as a smoke test
    python -m benchmarks gpu                                      # on an accelerator: benchmarks/gpu/command.py

Ratios are medians over rounds, with minimum and maximum in brackets. Run it on an otherwise idle machine.
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

from benchmarks import accuracy, calls, growth, neighbour, seeds, suites
from benchmarks.gpu import command
from benchmarks.racing import MIN_SECONDS, Race, Result, run


def main() -> None:
    """Run the named benchmarks, print their tables and write the JSON file."""
    if sys.argv[1:2] == ["gpu"]:
        command.main(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "suites",
        nargs="*",
        help="training families decoding seeds growth data commands accuracy calls neighbour; default: training, "
        "decoding, seeds, data and commands",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="include torch.compile, which compiles for minutes")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round; the times are meaningless")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    arguments = parser.parse_args()
    known = catalogue(arguments.compile, arguments.quick, arguments.rounds)
    names = arguments.suites or ["training", "decoding", "seeds", "data", "commands"]
    for name in names:
        if name not in known:
            parser.error(f"no benchmark {name!r}; available: {', '.join(known)}")
    print(f"{machine()['cpu']}, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
    results = []
    for name in names:
        for entry in known[name]():
            rounds, min_seconds = (1, 0) if arguments.quick else (arguments.rounds, MIN_SECONDS)
            result = run(entry, rounds, min_seconds) if isinstance(entry, Race) else entry
            results.append(result)
            print(table(result), flush=True)
    if arguments.json:
        report = {"machine": machine(), "results": [result.as_json() for result in results]}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def catalogue(compiled: bool, quick: bool, rounds: int) -> dict[str, Callable[[], Iterable[Race | Result]]]:
    """The benchmarks by name. Each yields races to run, or results that are already measured."""
    shapes = suites.QUICK if quick else suites.ALL
    return {
        "training": partial(suites.training, compiled, suites.QUICK[0] if quick else None),
        "families": partial(suites.families, shapes),
        "decoding": partial(suites.decoding, suites.QUICK[0] if quick else None),
        "seeds": partial(seeds.races, suites.QUICK[0] if quick else None),
        "growth": partial(growth.races, quick),
        "data": suites.data,
        "commands": suites.commands,
        "calls": calls.races,
        "accuracy": partial(accuracy.results, 1 if quick else rounds, quick),
        "neighbour": partial(neighbour.results, 1 if quick else rounds, quick),
    }


def table(result: Result) -> str:
    """A table of a race: milliseconds per step, ratios to the first contestant, and whether bounds are met."""
    lines = ["", result.name]
    first = next(iter(result.times), "")
    for name in result.times:
        ratio, low, high = result.ratio(first, name)
        comparison = "" if name == first else f"   {first} is {ratio:.2f} times as fast [{low:.2f}, {high:.2f}]"
        lines.append(f"  {name:<22} {result.median(name):9.2f} ms{comparison}")
    for name, why in result.absent.items():
        lines.append(f"  {name:<22} absent: {why}")
    for name, over, least in result.bounds:
        if name in result.times and over in result.times:
            ratio = result.ratio(name, over)[0]
            status = "met" if ratio >= least else "MISSED"
            lines.append(f"  bound: {name} at least {least:.2f} times as fast as {over}: {ratio:.2f}, {status}")
    return "\n".join(lines + [f"  {note}" for note in result.notes])


def machine() -> dict[str, Any]:
    """The processor, the number of threads, and the versions used."""
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
    """The commit of this source tree; outside a repository, the environment variable BENCHMARK_COMMIT."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    with contextlib.suppress(OSError):
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if found:
            return found
    return os.environ.get("BENCHMARK_COMMIT")


if __name__ == "__main__":
    main()
