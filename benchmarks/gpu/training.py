"""Training steps on a device for several families and sizes; sizes with bounds come first."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.gpu.contestants import PLAIN, best, bound, plain_training, raced, seqtool_training, table
from benchmarks.gpu.report import FailedError, Item, Setting
from benchmarks.racing import Contestant, Race, Result
from benchmarks.shapes import Shape

FAMILIES = ("gmm", "input_feeding", "plain", "transformer")
BOUNDS = {("gmm", Shape(32)): 8.0, ("input_feeding", Shape(256)): 4.0}
"""Required speed of the best engine relative to plain PyTorch."""
SPEEDUP = 50.0
"""Required speed of the device relative to two CPU cores, in examples per second."""
WIDE = Shape(256, batch=1024)
MAX_GIGABYTES = 20.0
"""Memory that attention may store for the backward pass."""


def items(setting: Setting) -> Iterator[Item]:
    """One race per item."""
    if setting.quick:
        shape = Shape(8, 6, 3, 4)
        yield Item("against two cores", partial(_against_cores, shape, setting))
        for family in FAMILIES:
            yield Item(f"{family}, {shape}, B {shape.batch}", partial(_race, family, shape, setting))
        return
    for family, shape in BOUNDS:
        yield Item(_label(family, shape), partial(_race, family, shape, setting))
    yield Item("input_feeding: device against two cores", partial(_against_cores, WIDE, setting))
    done = set(BOUNDS)
    for (source, target), batch, hidden in product(((60, 20), (200, 200)), (64, 1024), (32, 256, 1024)):
        for family in FAMILIES:
            shape = Shape(hidden, source, target, batch)
            if (family, shape) not in done:
                yield Item(_label(family, shape), partial(_race, family, shape, setting))


def _label(family: str, shape: Shape) -> str:
    return f"{family}, {shape}, B {shape.batch}"


def _race(family: str, shape: Shape, setting: Setting) -> tuple[list[str], Any]:
    contestants = seqtool_training(family, shape, setting)
    contestants.append(plain_training(family, shape, setting))
    if stored(family, shape) > MAX_GIGABYTES:
        message = f"would store {stored(family, shape):.0f} GB"
        contestants = [c for c in contestants if c.name not in (PLAIN, "seqtool reference, graphed")]
    else:
        message = ""
    result, failed = raced(Race(_label(family, shape), contestants), setting)
    lines = table(result) + ([f"  {PLAIN} omitted: it {message}"] if message else [])
    fastest = best(result)
    if (family, shape) in BOUNDS and fastest and PLAIN in result.times:
        lines.append(bound(f"{fastest} against {PLAIN}:", result.ratio(fastest, PLAIN)[0], BOUNDS[family, shape]))
    return _finished(result, failed, lines)


def _finished(result: Result, failed: dict[str, list[str]], lines: list[str]) -> tuple[list[str], Any]:
    if failed:
        words = [f"{name}: {line}" for name, found in failed.items() for line in found]
        raise FailedError("\n".join([*lines, *words]))
    return lines, result.as_json()


def stored(family: str, shape: Shape) -> float:
    """Gigabytes that a plain loop stores for additive scores: twice the tanh, `[B, T, S, H]`."""
    if family not in ("input_feeding", "transformer"):
        return 0.0
    return 8e-9 * shape.batch * shape.target * shape.source * shape.hidden


MEASURED = """
import time, torch
from benchmarks import steps
from benchmarks.shapes import Shape
torch.set_num_threads(2)
step = steps.training("input_feeding", Shape({hidden}, {source}, {target}, {batch}), engine="auto")
step()
start = time.perf_counter()
step()
print(time.perf_counter() - start)
"""


def _against_cores(shape: Shape, setting: Setting) -> tuple[list[str], Any]:
    """Examples per second of the best engine on the device, and of `auto` on two CPU cores."""
    program = MEASURED.format(**vars(shape))
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True, text=True, check=False, cwd=root, timeout=max(setting.left, 1),
    )  # fmt: skip
    if done.returncode:
        raise FailedError(f"on the CPU: {done.stderr.strip()[-1000:]}")
    cores = shape.batch / float(done.stdout.split()[-1])
    contestants: list[Contestant] = seqtool_training("input_feeding", shape, setting)
    result, failed = raced(Race("input_feeding", contestants), setting)
    fastest = best(result)
    if fastest is None:
        return _finished(result, failed, ["no engine ran"])
    here = 1000 * shape.batch / result.median(fastest)
    lines = [*table(result), f"  examples per second: {here:,.0f} with {fastest}, {cores:,.0f} on two CPU cores"]
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        lines.append("  no C compiler was found: the CPU ran the reference implementation")
    lines.append(bound("device against two cores:", here / cores, SPEEDUP))
    lines, data = _finished(result, failed, lines)
    return lines, data | {"examples_per_second": here, "examples_per_second_two_cores": cores}
