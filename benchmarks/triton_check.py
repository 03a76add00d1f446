"""Checks and times the Triton kernels on a GPU, against the float64 reference.

    python -m benchmarks.triton_check            # both, under a minute on 16 cores
    python -m benchmarks.triton_check check      # only the check
    python -m benchmarks.triton_check time       # only the timing

`check` prints the largest difference of any output, state or gradient, relative to the largest value of that tensor.
`time` prints median microseconds of one forward and backward pass of the loop, each replayed as a CUDA graph: the
reference, and the kernels with 1, 2, 4 and 8 warps per program and with the automatic choice.
"""

import argparse
import copy
import itertools
import multiprocessing
import os
import statistics
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqtool.api import Decoder, Encoded, tree
from seqtool.build.assembly import make
from seqtool.testing.differences import named_leaves

TOLERANCE = 1e-5
INPUT, MEMORY, SOURCES, STEPS = 11, 23, 60, 20
LENGTHS = (SOURCES, 16, 0, 1, 7, 17, 3)
SCORERS: dict[str, tuple[Any, str]] = {
    "gmm": ("gmm", "exp"),
    "gmm v1": ({"type": "gmm", "variant": "v1"}, "softmax"),
    "gmm v2": ({"type": "gmm", "variant": "v2"}, "exp"),
    "additive": ("additive", "softmax"),
    "dot": ("dot", "softmax"),
    "scaled_dot": ("scaled_dot", "softmax"),
    "general": ("general", "softmax"),
}
Variant = tuple[str, str, str, int]


def variants() -> Iterator[Variant]:
    """Decoder, cell, scorer and hidden size: every combination with 23 units, and two with 64."""
    for kind, cell, scorer in itertools.product(("attend_before", "attend_after"), ("lstm", "gru"), SCORERS):
        yield kind, cell, scorer, 23
    for kind, cell, scorer in (("attend_before", "gru", "gmm"), ("attend_after", "lstm", "additive")):
        yield kind, cell, scorer, 64


def decoder(kind: str, cell: str, scorer: str, size: int, *, input_size: int, memory_size: int) -> Decoder:
    """A decoder with newly initialized parameters."""
    torch.manual_seed(0)
    score, normalizer = SCORERS[scorer]
    options: dict[str, Any] = {"cell": {"type": cell, "hidden_size": size}}
    options["attention"] = {"scorer": score, "normalizer": normalizer}
    if kind == "attend_after":
        options |= {"attentional_size": size, "input_feeding": True}
    elif scorer.startswith(("gmm", "additive")):
        options["query"] = ("output", "input")
    made: Decoder = make(f"decoder/{kind}", input_size, memory_size, (), 7, **options)
    return made


def kernel(part: Decoder) -> Callable[..., Any]:
    """The kernel of `unroll`."""
    from seqtool_triton.small import AttendAfterKernel, AttendBeforeKernel

    found = AttendAfterKernel() if hasattr(part, "combine") else AttendBeforeKernel()
    reason = found.unavailable() or found.unsupported(part)
    if reason:
        raise RuntimeError(reason)

    def unroll(*arguments: Any) -> Any:
        reason = found.verify(part, *arguments)
        if reason:
            raise RuntimeError(f"the call falls back to the reference: {reason}")
        return found(part, *arguments)

    return unroll


def numbers(part: Decoder, unroll: Callable[..., Any], mask: Tensor) -> dict[str, Tensor]:
    """Features, weights, states, and all gradients of a weighted sum of them."""
    generator, like = torch.Generator().manual_seed(1), next(part.parameters())

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(like.device, like.dtype)

    rows, positions = mask.shape
    memory_size = part.attention.memory_size  # type: ignore[union-attr]
    x, memory = draw(rows, STEPS, INPUT).requires_grad_(), draw(rows, positions, int(memory_size)).requires_grad_()
    fixed, first = part.start(Encoded(memory, mask, ()))
    first = tree.map(lambda leaf: (leaf + 0.3 * draw(*leaf.shape).abs()).detach().requires_grad_(), first)
    features, weights, last = unroll(x, fixed, first)
    found = {"features": features, "weights": weights, **named_leaves(last, "state")}
    sum(((out * draw(*out.shape)).sum() for out in found.values()), like.new_zeros(())).backward()
    leaves = {"x": x, "memory": memory, **named_leaves(first, "first")}
    leaves |= dict(part.named_parameters())
    return found | {f"gradient of {name}": leaf.grad.clone() for name, leaf in leaves.items() if leaf.grad is not None}


def check(variant: Variant) -> tuple[bool, str]:
    """Whether a variant is correct, and a line with its largest error."""
    kind, cell, scorer, size = variant
    name = f"{kind:14} {cell:4} {scorer:10} H {size}"
    try:
        memory_size = size if "dot" in scorer else MEMORY
        part = decoder(kind, cell, scorer, size, input_size=INPUT, memory_size=memory_size)
        mask = torch.arange(SOURCES) < torch.tensor(LENGTHS)[:, None]
        double, single = copy.deepcopy(part).double(), part.to(device())
        wanted = numbers(double, double.unroll, mask)
        found = numbers(single, kernel(single), mask.to(device()))
        single.zero_grad()
        own = numbers(single, single.unroll, mask.to(device()))
        errors = {key: _error(value, found[key].cpu()) for key, value in wanted.items()}
        worst = max(errors, key=lambda key: errors[key])
        reference = max(_error(value, own[key].cpu()) for key, value in wanted.items())
        good = errors[worst] <= max(TOLERANCE, 10 * reference)
        word = "ok   " if good else "WRONG"
        return good, f"{word} {name}: {errors[worst]:.1e} ({worst}); the reference in float32: {reference:.1e}"
    except Exception:
        return False, f"FAILED {name}\n{traceback.format_exc()}"


def _error(wanted: Tensor, found: Tensor) -> float:
    scale = wanted.detach().abs().max().clamp(min=1e-30)
    return float(((found.double() - wanted).detach().abs().max() / scale).nan_to_num(torch.inf))


def device() -> str:
    """CUDA, or the CPU with Triton's interpreter."""
    return "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"


class Timed(NamedTuple):
    """A loop to time, and the numbers of warps to try."""

    variant: Variant
    memory_size: int
    input_size: int
    warps: tuple[int, ...]


TIMED = (
    Timed(("attend_before", "lstm", "gmm", 32), 4, 4, (1, 2, 4)),
    Timed(("attend_after", "lstm", "additive", 32), 64, 32, (4, 8)),
    Timed(("attend_after", "lstm", "additive", 64), 128, 64, (8, 16)),
)


def passes(case: Timed, batch: int) -> tuple[Decoder, Callable[[Callable[..., Any], bool], Callable[[], None]]]:
    """A decoder, and a function that returns its forward pass, or its forward and backward pass."""
    part = decoder(*case.variant, input_size=case.input_size, memory_size=case.memory_size).cuda()
    learned = case.variant[2] != "gmm"  # gmm is timed over one-hot symbols, which need no gradient
    inputs = torch.randn(batch, STEPS, case.input_size, device="cuda", requires_grad=learned)
    memory = torch.randn(batch, SOURCES, case.memory_size, device="cuda", requires_grad=learned)
    mask = torch.ones(batch, SOURCES, dtype=torch.bool, device="cuda")

    def use(unroll: Callable[..., Any], train: bool) -> Callable[[], None]:
        def forward() -> Any:
            return unroll(inputs, *part.start(Encoded(memory, mask, ())))[0]

        def both() -> None:
            leaves = [*part.parameters(), *([inputs, memory] if learned else [])]
            torch.autograd.grad(forward().square().sum(), leaves, allow_unused=True)

        return both if train else torch.no_grad()(forward)

    return part, use


def compile_for(case: Timed, count: int) -> None:
    """Compile the kernels to time into Triton's cache."""
    from seqtool_triton import small_loop

    small_loop.warps = lambda *_: count
    part, use = passes(case, 64)
    use(kernel(part), True)()


def timed(case: Timed, batch: int) -> str:
    """Median times as one line."""
    from seqtool_triton import small_loop

    part, use = passes(case, batch)
    chosen, found = small_loop.warps, {"reference": _graphed(use(part.unroll, True))}
    found["reference, no graph"] = _median(use(part.unroll, True), rounds=5, calls=2)
    for count in case.warps:
        small_loop.warps = lambda *_, count=count: count
        found[f"{count} warps"] = _graphed(use(kernel(part), True))
        found[f"{count} warps, forward"] = _graphed(use(kernel(part), False))
    small_loop.warps = chosen
    found["chosen"] = _graphed(use(kernel(part), True))
    found["chosen, no graph"] = _median(use(kernel(part), True))
    values = ", ".join(f"{name} {value:.0f}" for name, value in found.items())
    return f"{' '.join(map(str, case.variant))}, B {batch}, M {case.memory_size}: {values}"


def _graphed(run: Callable[[], Any]) -> float:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return _median(graph.replay)


def _median(run: Callable[[], Any], rounds: int = 15, calls: int = 10) -> float:
    """Median microseconds per call."""
    times = []
    for _ in range(rounds):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / calls * 1000)
    return statistics.median(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("check", "time"))
    what = parser.parse_args().what
    workers, wrong = max(1, (os.cpu_count() or 1) - 1), 0
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        compiling = [] if what == "check" else [pool.submit(compile_for, case, n) for case in TIMED for n in case.warps]
        for good, line in pool.map(check, () if what == "time" else variants()):
            wrong += not good
            print(line, flush=True)
        for compiled in compiling:
            compiled.result()
    if what != "check":
        print(torch.cuda.get_device_name(), torch.__version__)
        for batch, case in itertools.product((64, 1024), TIMED):
            print(timed(case, batch), flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
