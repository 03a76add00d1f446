"""torch.compile on a device, for the plain model and for seqtool. A separate section: compiling takes a minute."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks import plain, steps
from benchmarks.gpu.contestants import plain_training, raced, seqtool_training, table
from benchmarks.gpu.report import FailedError, Item, Setting
from benchmarks.racing import Contestant, Race
from benchmarks.shapes import Shape


def items(setting: Setting) -> Iterator[Item]:
    """One race of gmm."""
    shape = Shape(8, 6, 3, 4) if setting.quick else Shape(32)
    if not setting.quick:
        yield Item(f"gmm, {shape}, B {shape.batch}", partial(_race, shape, setting), most=600)


def _race(shape: Shape, setting: Setting) -> tuple[list[str], Any]:
    reduced = partial(plain.training, "gmm", shape, compiled=True, mode="reduce-overhead", device=setting.device)
    ours = partial(steps.training, "gmm", shape, engine="compiled", device=setting.device)
    contestants = [
        *seqtool_training("gmm", shape, setting),
        plain_training("gmm", shape, setting),
        Contestant("torch.compile of plain", reduced),
        Contestant("seqtool compiled", ours),
    ]
    result, failed = raced(Race("gmm", contestants), setting, most=setting.left * 0.6)
    if failed:
        raise FailedError("\n".join([*table(result), *(line for lines in failed.values() for line in lines)]))
    return table(result), result.as_json()
