"""Growth of time and memory with length, width and batch size: slopes on log-log axes."""

import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks import steps
from benchmarks.racing import Contestant, Race, Result
from benchmarks.shapes import Shape

LENGTHS = (60, 20), (120, 40), (240, 80), (480, 160)
WIDTHS = 32, 64, 128, 256
BATCHES = 16, 64, 256
MAX_SLOPE = 1.15
FAMILIES = ("plain", "gmm", "attend_before", "attend_after")


def races(quick: bool) -> Iterator[Race]:
    """Races over lengths, then units, then batch sizes. Each size is a contestant."""
    for family in FAMILIES:
        if quick:
            yield _race(family, "S x T", [Shape(8, 6, 3, 4), Shape(8, 12, 6, 4)])
            continue
        yield _race(family, "S x T", [Shape(32, source, target) for source, target in LENGTHS])
        yield _race(family, "H", [Shape(hidden) for hidden in WIDTHS])
        yield _race(family, "B", [Shape(batch=batch) for batch in BATCHES])


def _race(family: str, quantity: str, shapes: Sequence[Shape]) -> Race:
    contestants = [Contestant(_name(s), partial(steps.training, family, s, engine="auto")) for s in shapes]
    return Race(f"growth of {family} with {quantity}", contestants, note=partial(_slopes, family, quantity, shapes))


def _name(shape: Shape) -> str:
    return f"{shape}, B {shape.batch}"


def _slopes(family: str, quantity: str, shapes: Sequence[Shape], result: Result) -> list[str]:
    """Slopes of time and memory. The cost of a model without attention depends on T, not on S times T."""
    sizes = {
        "S x T": [s.target if family == "plain" else s.source * s.target for s in shapes],
        "H": [s.hidden for s in shapes],
        "B": [s.batch for s in shapes],
    }[quantity]
    against = "T" if (family, quantity) == ("plain", "S x T") else quantity
    time = slope(sizes, [result.median(_name(s)) for s in shapes])
    memory = [peak_memory(family, s) for s in shapes]
    bound = f" (at most {MAX_SLOPE}: {'met' if time <= MAX_SLOPE else 'MISSED'})" if quantity == "S x T" else ""
    megabytes = ", ".join(f"{m:.0f}" for m in memory)
    return [
        f"slope of time against {against}: {time:.2f}{bound}",
        f"memory of a step: {megabytes} MB, slope {slope(sizes, [max(m, 0.1) for m in memory]):.2f}",
    ]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The slope of the least-squares line through the logarithms."""
    xs, ys = [math.log(v) for v in x], [math.log(v) for v in y]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - mx) * (b - my) for a, b in zip(xs, ys, strict=True)) / sum((a - mx) ** 2 for a in xs)


MEASURED = """
from pathlib import Path
from benchmarks import steps
from benchmarks.shapes import Shape

def peak():
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1])

steps.training({family!r}, Shape({hidden}, 4, 2, 4), engine={engine!r})()
step = steps.training({family!r}, Shape({hidden}, {source}, {target}, {batch}), engine={engine!r})
Path("/proc/self/clear_refs").write_text("5")  # resets the peak
before = peak()
step()
print(peak() - before)
"""


def peak_memory(family: str, shape: Shape, engine: str = "auto") -> float:
    """Peak memory of a training step in megabytes, measured in a separate process; NaN if it is not reported."""
    if not Path("/proc/self/clear_refs").exists():
        return math.nan
    program = MEASURED.format(family=family, engine=engine, **vars(shape))
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout) / 1024
