"""seqtool on an accelerator: correctness, then times, to a table and JSON.

    python -m benchmarks gpu                                          # all sections, under 6 minutes
    python -m benchmarks gpu correctness training --json gpu.json     # these sections
    python -m benchmarks gpu --quick --device cpu                     # tiny sizes: that it runs

Each section runs in a process of its own and within a budget of seconds; what fails is printed and counted, and the
rest goes on. The exit status is 1 where something failed.
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

from benchmarks.gpu.report import Outcome, Setting, carried_out

SECTIONS = {"correctness": 110, "training": 50, "decoding": 10, "loop": 20, "seeds": 80, "compiled": 30}
"""Seconds of each."""
GRACE = 40
"""Seconds that a process may take beyond its section's budget: for starting, and until its last item is stopped."""
MARKS = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}


def main(arguments: list[str]) -> None:
    """Run the named sections, print what they found, write the JSON, exit 1 where something failed."""
    given = _parser().parse_args(arguments)
    names = given.sections or list(SECTIONS)
    found = {"machine": machine(given.device), "sections": {}}
    if not given.together:
        print(", ".join(f"{key} {value}" for key, value in found["machine"].items()), flush=True)
    begun = time.monotonic()
    for name in names:
        run = _here if given.together or given.quick else _apart
        found["sections"][name] = run(name, given)
        if given.json:
            given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    counts = _counts(found["sections"])
    if given.together:
        sys.exit(bool(counts["failed"]))
    print(f"\n{time.monotonic() - begun:.0f} s: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    for name, section in found["sections"].items():
        for outcome in section["outcomes"]:
            if outcome["status"] == "failed":
                print(f"failed: {name}: {outcome['name']}: {(outcome['lines'] or [''])[0][:200]}")
    sys.exit(bool(counts["failed"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round, in one process")
    parser.add_argument("--budget", type=float, default=1.0, help="multiplies the seconds of each section")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--together", action="store_true", help="all sections in this process, without a summary")
    return parser


def _here(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """A section in this process."""
    begun = time.monotonic()
    budget = 600.0 if given.quick else SECTIONS[name] * given.budget
    print(f"\n== {name}, at most {budget:.0f} s", flush=True)
    setting = Setting(torch.device(given.device), given.quick, begun + budget)
    section: dict[str, Any] = {"outcomes": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"benchmarks.gpu.{name}")
        for outcome in carried_out(module.items(setting), setting):
            _show(outcome)
            section["outcomes"].append(outcome.as_json())
            section["seconds"] = round(time.monotonic() - begun, 1)
            if given.json:
                given.json.write_text(json.dumps({"sections": {name: section}}), encoding="utf-8")
    print(f"== {name}: {time.monotonic() - begun:.1f} s", flush=True)
    return section


def _apart(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """A section in a process of its own, which a fault on the device or an endless item ends alone."""
    budget = SECTIONS[name] * given.budget
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "section.json"
        command = [sys.executable, "-m", "benchmarks", "gpu", name, "--together", "--device", given.device]
        command += ["--budget", str(given.budget), "--json", str(path)]
        trouble = ""
        try:
            done = subprocess.run(command, cwd=Path(__file__).parents[2], check=False, timeout=budget + GRACE)
            if done.returncode not in (0, 1):
                trouble = f"its process ended with {done.returncode}"
        except subprocess.TimeoutExpired:
            trouble = f"its process was stopped after {budget + GRACE:.0f} s"
        section: dict[str, Any] = {"outcomes": []}
        if path.exists():
            section = json.loads(path.read_text(encoding="utf-8"))["sections"][name]
        elif not trouble:
            trouble = "its process wrote nothing"
    if trouble:
        outcome = Outcome(f"the section {name}", "failed", lines=[trouble])
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
    """What was measured on."""
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
    """The version of the driver, by nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().partition("\n")[0] or None
