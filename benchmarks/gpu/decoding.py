"""Decoding on a device."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks import steps
from benchmarks.gpu.contestants import best, bound, raced, table
from benchmarks.gpu.report import FailedError, Item, Setting
from benchmarks.racing import Contestant, Race
from benchmarks.shapes import Shape

ENGINES = ("reference", "auto")
SYMBOLS = 200_000
"""Required symbols per second of greedy decoding."""


def items(setting: Setting) -> Iterator[Item]:
    """Greedy search, then a beam of 4."""
    shape = Shape(8, 6, 3, 4) if setting.quick else Shape(256, batch=1024)
    for search in ("greedy", "beam"):
        for family in ("input_feeding", "gmm"):
            name = f"{search}, {family}, {shape}, {shape.batch} sources"
            yield Item(name, partial(_race, search, family, shape, setting))


def _race(search: str, family: str, shape: Shape, setting: Setting) -> tuple[list[str], Any]:
    prepare = partial(steps.decoding, family, shape, search, device=setting.device)
    contestants = [Contestant(f"seqtool {engine}", partial(prepare, engine=engine)) for engine in ENGINES]
    result, failed = raced(Race(search, contestants), setting)
    rates = {name: 1000 * shape.batch * shape.target / result.median(name) for name in result.times}
    lines = table(result) + [f"  {name}: {rate:,.0f} symbols per second" for name, rate in rates.items()]
    fastest = best(result)
    if (search, family) == ("greedy", "input_feeding") and fastest:
        lines.append(bound("symbols per second:", rates[fastest], SYMBOLS))
    if failed:
        raise FailedError("\n".join([*lines, *(line for found in failed.values() for line in found)]))
    return lines, result.as_json() | {"symbols_per_second": rates}
