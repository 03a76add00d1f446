"""Contestants on a device: seqtool's engines and plain PyTorch. A failing contestant does not end a race."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks import plain, steps
from benchmarks.gpu.report import Setting, TooLongError, describe, time_limit
from benchmarks.racing import AbsentError, Contestant, Race, Result, run
from benchmarks.shapes import Shape
from seqtool.errors import SeqtoolError

ENGINES: dict[str, tuple[str, bool]] = {
    "reference": ("reference", False),
    "fused": ("fused", False),
    "reference, graphed": ("reference", True),
    "auto, graphed": ("auto", True),
}
"""Contestant -> engine, and whether steps are replayed as CUDA graphs."""
PLAIN = "plain PyTorch"


def engines(setting: Setting) -> dict[str, tuple[str, bool]]:
    """The engines of the device: `ENGINES` on CUDA, otherwise `reference` and `auto`."""
    if setting.device.type == "cuda":
        return ENGINES
    return {"reference": ("reference", False), "auto": ("auto", False)}


def seqtool_training(family: str, shape: Shape, setting: Setting) -> list[Contestant]:
    """A training step with each engine."""
    prepare = partial(steps.training, family, shape, device=setting.device)
    return [
        Contestant(f"seqtool {name}", partial(prepare, engine=engine, graphs=graphs))
        for name, (engine, graphs) in engines(setting).items()
    ]


def plain_training(family: str, shape: Shape, setting: Setting) -> Contestant:
    """A training step of the model in plain PyTorch."""
    return Contestant(PLAIN, partial(plain.training, family, shape, device=setting.device))


def raced(race: Race, setting: Setting, most: float = 30.0) -> tuple[Result, dict[str, list[str]]]:
    """The result, and the first lines of each error. Failed contestants are absent from the result."""
    failed: dict[str, list[str]] = {}
    contestants = [Contestant(one.name, partial(_guarded, one, setting, most, failed)) for one in race.contestants]
    rounds, min_seconds = (1, 0.0) if setting.quick else (3, 0.06)
    guarded = Race(race.name, contestants, race.bounds, race.note)
    return run(guarded, rounds, min_seconds, setting.synchronize), failed


def _guarded(contestant: Contestant, setting: Setting, most: float, failed: dict[str, list[str]]) -> Callable[[], Any]:
    """Prepare a contestant and run its first steps. It is absent if this fails or takes longer than `most` seconds."""
    try:
        with time_limit(min(most, max(setting.left, 1.0))):
            step = contestant.prepare()
            for _ in range(2):  # the second step captures a graph
                step()
            setting.synchronize()
    except AbsentError:
        raise
    except TooLongError as error:
        raise AbsentError(f"its first steps took longer than {most:.0f} s") from error
    except SeqtoolError as error:
        raise AbsentError(str(error).partition("\n")[0]) from error
    except torch.OutOfMemoryError as error:
        setting.free()
        raise AbsentError("out of memory") from error
    except Exception as error:
        failed[contestant.name] = describe(error)
        raise AbsentError(f"failed: {failed[contestant.name][0]}") from error
    return step


def best(result: Result, names: Sequence[str] = ()) -> str | None:
    """The fastest of seqtool's engines; None if none ran."""
    there = [name for name in names or result.times if name.startswith("seqtool") and name in result.times]
    return min(there, key=result.median, default=None)


def table(result: Result) -> list[str]:
    """One line for each contestant: milliseconds, and the speed relative to plain PyTorch."""
    lines = []
    for name in result.times:
        comparison = ""
        if PLAIN in result.times and name != PLAIN:
            ratio, low, high = result.ratio(name, PLAIN)
            comparison = f"  {ratio:6.2f} times as fast as {PLAIN} [{low:.2f}, {high:.2f}]"
        lines.append(f"  {name:<22} {result.median(name):9.3f} ms{comparison}")
    return [*lines, *(f"  {name:<22} absent: {why}" for name, why in result.absent.items())]


def bound(label: str, found: float, least: float) -> str:
    """A line with a bound and whether it is met."""
    return f"  bound: {label} {found:,.2f}, required at least {least:,.2f}: {'met' if found >= least else 'MISSED'}"
