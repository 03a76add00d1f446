"""Correctness and speed on an accelerator, printed and written as JSON.

    python -m benchmarks gpu                                          # all sections, under 6 minutes
    python -m benchmarks gpu correctness training --json gpu.json     # these sections
    python -m benchmarks gpu --quick --device cpu                     # tiny sizes, as a smoke test

Each section runs in its own process with a time budget. Failures are printed and counted, and the rest continues. The
exit status is 1 if something failed.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.report import Outcome, Setting, run_items

SECTIONS = {"correctness": 110, "training": 50, "decoding": 10, "loop": 20, "seeds": 80, "compiled": 30}
"""Time budget of each section in seconds."""
GRACE = 40
"""Seconds beyond the budget after which the process of a section is stopped."""
MARKS = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}


def main(arguments: list[str]) -> None:
    """Run the named sections, print the results, write the JSON file, and exit with 1 if something failed."""
    options = _parser().parse_args(arguments)
    names = options.sections or list(SECTIONS)
    found = {"machine": machine(options.device), "sections": {}}
    if not options.together:
        print(", ".join(f"{key} {value}" for key, value in found["machine"].items()), flush=True)
    start = time.monotonic()
    for name in names:
        run = _run_here if options.together or options.quick else _run_in_process
        found["sections"][name] = run(name, options)
        if options.json:
            options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    counts = _counts(found["sections"])
    if options.together:
        sys.exit(bool(counts["failed"]))
    print(f"\n{time.monotonic() - start:.0f} s: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    for name, section in found["sections"].items():
        for outcome in section["outcomes"]:
            if outcome["status"] == "failed":
                print(f"failed: {name}: {outcome['name']}: {(outcome['lines'] or [''])[0][:200]}")
    sys.exit(bool(counts["failed"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"one of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round, in one process")
    parser.add_argument("--budget", type=float, default=1.0, help="multiplies the seconds of each section")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--together", action="store_true", help="run all sections in this process, without a summary")
    return parser


def _run_here(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a section in this process."""
    start = time.monotonic()
    budget = 600.0 if options.quick else SECTIONS[name] * options.budget
    print(f"\n== {name}, at most {budget:.0f} s", flush=True)
    setting = Setting(torch.device(options.device), options.quick, start + budget)
    section: dict[str, Any] = {"outcomes": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"benchmarks.gpu.{name}")
        for outcome in run_items(module.items(setting), setting):
            _show(outcome)
            section["outcomes"].append(outcome.as_json())
            section["seconds"] = round(time.monotonic() - start, 1)
            if options.json:
                options.json.write_text(json.dumps({"sections": {name: section}}), encoding="utf-8")
    print(f"== {name}: {time.monotonic() - start:.1f} s", flush=True)
    return section


def _run_in_process(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a section in its own process, so that a device fault or a timeout ends only this section."""
    budget = SECTIONS[name] * options.budget
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "section.json"
        command = [sys.executable, "-m", "benchmarks", "gpu", name, "--together", "--device", options.device]
        command += ["--budget", str(options.budget), "--json", str(path)]
        problem = ""
        try:
            done = subprocess.run(command, cwd=Path(__file__).parents[2], check=False, timeout=budget + GRACE)
            if done.returncode not in (0, 1):
                problem = f"its process ended with {done.returncode}"
        except subprocess.TimeoutExpired:
            problem = f"its process was stopped after {budget + GRACE:.0f} s"
        section: dict[str, Any] = {"outcomes": []}
        if path.exists():
            section = json.loads(path.read_text(encoding="utf-8"))["sections"][name]
        elif not problem:
            problem = "its process wrote nothing"
    if problem:
        outcome = Outcome(f"the section {name}", "failed", lines=[problem])
        _show(outcome)
        section["outcomes"].append(outcome.as_json())
    return section


def _show(outcome: Outcome) -> None:
    print(f"{MARKS[outcome.status]} {outcome.name} ({outcome.seconds:.1f} s)", flush=True)
    for line in outcome.lines:
        print(f"     {line}"[:400], flush=True)


def _counts(sections: dict[str, Any]) -> dict[str, int]:
    statuses = [outcome["status"] for section in sections.values() for outcome in section["outcomes"]]
    return {status: statuses.count(status) for status in MARKS}


def machine(device: str) -> dict[str, Any]:
    """The machine and the device."""
    from benchmarks.__main__ import machine as cpu

    found = cpu()
    if torch.device(device).type == "cuda":
        found |= {"device": torch.cuda.get_device_name(device), "cuda": torch.version.cuda, "driver": _driver()}
        try:
            found["triton"] = importlib.import_module("triton").__version__
        except ImportError:
            found["triton"] = None
    return found


def _driver() -> str | None:
    """The driver version reported by nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().partition("\n")[0] or None
