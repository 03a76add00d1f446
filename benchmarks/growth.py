"""How time and memory grow with the lengths at a fixed width: slopes on log-log axes."""

import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks import steps
from benchmarks.racing import Contestant, Race, Result
from benchmarks.shapes import Shape

LENGTHS = (60, 20), (120, 40), (240, 80), (480, 160)
STEEPEST = 1.15
FAMILIES = ("plain", "gmm", "attend_before", "attend_after")


def races(quick: bool) -> Iterator[Race]:
    """One contestant a length."""
    lengths = ((6, 3), (12, 6)) if quick else LENGTHS
    for family in FAMILIES:
        shapes = [Shape(8 if quick else 32, source, target) for source, target in lengths]
        contestants = [Contestant(_name(s), partial(steps.training, family, s, engine="auto")) for s in shapes]
        yield Race(f"growth of {family}, H {shapes[0].hidden}", contestants, note=partial(_slopes, family, shapes))


def _name(shape: Shape) -> str:
    return f"S {shape.source}, T {shape.target}"


def _slopes(family: str, shapes: Sequence[Shape], result: Result) -> list[str]:
    """Slopes of time and memory against what they are to be linear in, S x T with attention and T without."""
    amounts = [s.target if family == "plain" else s.source * s.target for s in shapes]
    against = "T" if family == "plain" else "S x T"
    time = slope(amounts, [result.median(_name(s)) for s in shapes])
    memory = [peak_memory(family, s) for s in shapes]
    megabytes = ", ".join(f"{m:.0f}" for m in memory)
    held = "holds" if time <= STEEPEST else "MISSED"
    return [
        f"slope of time against {against}: {time:.2f} (at most {STEEPEST}: {held})",
        f"memory of a step: {megabytes} MB, slope {slope(amounts, [max(m, 0.1) for m in memory]):.2f}",
    ]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the line of least squares through the logarithms."""
    xs, ys = [math.log(v) for v in x], [math.log(v) for v in y]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - mx) * (b - my) for a, b in zip(xs, ys, strict=True)) / sum((a - mx) ** 2 for a in xs)


def peak_memory(family: str, shape: Shape, engine: str = "auto") -> float:
    """Megabytes by which a first training step raises the peak of a process of its own."""
    program = (
        "import resource\nfrom benchmarks import steps\nfrom benchmarks.shapes import Shape\n"
        f"steps.training({family!r}, Shape({shape.hidden}, 4, 2, 4), engine={engine!r})()\n"
        f"step = steps.training({family!r}, Shape({shape.hidden}, {shape.source}, {shape.target}, {shape.batch}), "
        f"engine={engine!r})\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nstep()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout) / 1024
