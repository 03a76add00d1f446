"""The races of each benchmark, and their bounds."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import torch

from benchmarks import commands as command_steps
from benchmarks import floor, joey, plain, steps
from benchmarks.racing import Contestant, Race, Result
from benchmarks.shapes import Shape, variant
from seqtool.build.assembly import assemble

CELLS = ("lstm", "gru")
SCORERS = ("additive", "dot", "scaled_dot", "general")
FAMILIES = ("attend_before", "attend_after", "input_feeding")


def _seqtool(family: str, shape: Shape, **options: str) -> Iterator[Contestant]:
    for engine in ("auto", "reference"):
        yield Contestant(f"seqtool {engine}", partial(steps.training, family, shape, engine=engine, **options))


def _floor(family: str, shape: Shape) -> Contestant:
    return Contestant("floor", partial(floor.training, family, shape))


def training(compiled: bool, only: Shape | None) -> Iterator[Race]:
    """Training steps: the recipes' models against plain PyTorch, and Joey NMT's model against Joey NMT."""
    small, middle, wide = (only, only, only) if only else (Shape(), Shape(hidden=128), Shape(hidden=256))
    for title, family, bound in (("attentive gmm", "gmm", 6.0), ("encoder_decoder", "plain", 1.3)):
        yield Race(
            f"{title}, {small}",
            [
                *_seqtool(family, small),
                Contestant("plain PyTorch", partial(plain.training, family, small)),
                *([Contestant("torch.compile", partial(plain.training, family, small, compiled=True))] * compiled),
                _floor(family, small),
            ],
            [("seqtool auto", "plain PyTorch", bound), *([("seqtool auto", "floor", 1 / 3)] * (family == "gmm"))],
        )
    for shape, bound in ((small, 4.0), (middle, 0.0), (wide, 1.7)):
        yield Race(
            f"additive attention, input feeding (Joey NMT), {shape}",
            [
                *_seqtool("input_feeding", shape),
                Contestant("Joey NMT", partial(joey.training, shape)),
                _floor("input_feeding", shape),
            ],
            [("seqtool auto", "Joey NMT", bound)] * (bound > 0),
        )
        yield Race(
            f"additive attention before the step (Bahdanau), {shape}",
            [
                *_seqtool("attend_before", shape),
                Contestant("plain PyTorch", partial(plain.training, "attend_before", shape)),
                _floor("attend_before", shape),
            ],
        )


def families(shapes: tuple[Shape, ...]) -> Iterator[Race]:
    """Every cell, scorer and decoder: the engine `auto` against the reference."""
    for shape, family, cell, scorer in product(shapes, FAMILIES, CELLS, SCORERS):
        if scorer in ("dot", "scaled_dot"):
            continue  # they need a memory of the query's size, but a bidirectional encoder's is twice as large
        contestants = list(_seqtool(family, shape, cell=cell, scorer=scorer))
        yield Race(f"{family}, {cell}, {scorer}, {shape}", contestants)
    for shape, cell in product(shapes, CELLS):
        yield Race(f"gmm, {cell}, {shape}", list(_seqtool("gmm", shape, cell=cell)))


def decoding(only: Shape | None) -> Iterator[Race]:
    """Greedy search and a beam of 4 for 256 sources and 20 target symbols."""
    shape = only or Shape(hidden=256, batch=256)
    for beam, bound in ((1, 2.0), (4, 0.0)):
        search = "greedy" if beam == 1 else "beam"
        yield Race(
            f"{'greedy' if beam == 1 else 'beam 4'}, {shape.batch} examples, {shape}",
            [
                Contestant("seqtool auto", partial(steps.decoding, "input_feeding", shape, search, engine="auto")),
                Contestant(
                    "seqtool reference", partial(steps.decoding, "input_feeding", shape, search, engine="reference")
                ),
                Contestant("Joey NMT", partial(joey.decoding, shape, beam)),
            ],
            [("seqtool auto", "Joey NMT", bound)] * (bound > 0),
            partial(_symbols_per_second, shape.batch * shape.target),
        )


def _symbols_per_second(count: int, result: Result) -> list[str]:
    return [f"{name}: {1000 * count / result.median(name):,.0f} symbols per second" for name in result.times]


def data() -> Iterator[Race]:
    """Drawing batches of the alignment task."""

    def drawn(shape: Shape) -> Callable[[], Any]:
        task, cpu = assemble(variant("plain", shape), seed=0).task, torch.device("cpu")
        return lambda: task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=cpu)

    for shape in (Shape(source=30, target=10), Shape(), Shape(source=200, target=200)):
        yield Race(f"a batch of the alignment task, {shape}", [Contestant("seqtool", partial(drawn, shape))])


def commands() -> Iterator[Race]:
    """Complete commands: start-up, and training on a TSV file against yoyodyne."""
    yield Race(
        "start-up",
        [Contestant(f"seqtool {verb}", partial(command_steps.seqtool, verb)) for verb in ("--help", "plugins")],
    )
    yield Race(
        "a TSV of 800 pairs, 10 epochs, an attentive LSTM of 256 units",
        [
            Contestant("seqtool run", command_steps.seqtool_pairs),
            Contestant("yoyodyne fit", command_steps.yoyodyne_pairs),
        ],
        [("seqtool run", "yoyodyne fit", 2.0)],
    )


QUICK = (Shape(hidden=8, source=6, target=3, batch=4),)
ALL = (Shape(32, 30, 10), Shape(32), Shape(128), Shape(256), Shape(32, 200, 200))
