"""`seqtool run` on a device, compared with a bare torch loop over the same model, data and engine."""

from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

from benchmarks import loop
from benchmarks.gpu.report import FailedError, Item, Setting
from benchmarks.shapes import Shape, variant

RATIO, MORE = 1.15, 0.3
"""At most this factor of the bare loop's time, or this many milliseconds per step more."""


def items(setting: Setting) -> Iterator[Item]:
    """gmm, the smallest model, and input feeding with `auto`; gmm with the reference, whose steps are slowest."""
    shape = Shape(8, 6, 3, 4) if setting.quick else Shape(32)
    yield Item(f"gmm, {shape}, auto", partial(_compare, "gmm", shape, "auto", setting))
    if not setting.quick:
        wide = Shape(256)
        yield Item(f"input_feeding, {wide}, auto", partial(_compare, "input_feeding", wide, "auto", setting))
    yield Item(f"gmm, {shape}, reference", partial(_compare, "gmm", shape, "reference", setting))


def _compare(family: str, shape: Shape, engine: str, setting: Setting) -> tuple[list[str], Any]:
    count, rounds = (30, 1) if setting.quick else (60, 2) if engine == "reference" else (400, 3)
    chosen = variant(family, shape, engine=engine, steps=count)
    graphs = engine == "auto" and setting.device.type == "cuda"
    bare = partial(loop.bare, chosen, device=setting.device, graphs=graphs)
    bare(15)
    pairs = [(bare(count), loop.seqtool_loop(chosen, count, str(setting.device))) for _ in range(rounds)]
    ratio, more = median(b / a for a, b in pairs), median(b - a for a, b in pairs)
    bare_ms, run_ms = (median(side) for side in zip(*pairs, strict=True))
    met = ratio <= RATIO or more <= MORE
    line = f"  bare {bare_ms:.3f} ms per step, seqtool run {run_ms:.3f}; ratio {ratio:.3f}, {more:+.3f} ms"
    bound = f"  bound: at most {RATIO} times, or {MORE} ms more: {'met' if met else 'MISSED'}"
    if not run_ms > 0:
        raise FailedError(f"{line}\nno time was measured")
    return [line, bound], {"bare_ms": bare_ms, "seqtool_ms": run_ms, "ratio": ratio, "more_ms": more, "rounds": pairs}
