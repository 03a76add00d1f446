"""`python -m benchmarks.triton_wide` checks the kernels of `seqtool_triton.wide` on a GPU, and times them.

One line per case: the largest error of outputs, attention weights, states and every gradient against float64 on the
CPU, as a fraction of the largest number of each tensor, and which tensor it is; that of the part's own method in
float32 on the same device beside it; then milliseconds of forward and backward, eager and replayed from a CUDA graph,
by the part's own method and by the kernels. The last lines are whole training steps of the family `input_feeding`:
the same model as a few lines of PyTorch, eager; seqtool's reference; with kernels; and with kernels in a CUDA graph.

Without a GPU, `TRITON_INTERPRET=1 python -m benchmarks.triton_wide` checks small cases under Triton's interpreter and
times nothing. The exit status is 1 where an error is above 1e-5 and above three times the part's own in float32.
"""

import copy
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.shapes import Shape, variant
from seqtool.api import Attention, Decoder, Encoded, Kernel, tree
from seqtool.build.assembly import assemble, make
from seqtool.build.kernels import install
from seqtool.registry import default_registry
from seqtool.testing.differences import named
from seqtool.testing.kernel_binding import bound, watched
from seqtool_triton import attend_step
from seqtool_triton.both_ways import BothWaysKernel
from seqtool_triton.wide import AttentionKernel, WideAttendAfterKernel, WideAttendBeforeKernel

ROUNDS = 7
CPU = torch.device("cpu")
TOLERANCE = 1e-5
FUSED = {"fused": True, "capturable": True}


@dataclass(frozen=True)
class Case:
    """A part that a kernel serves, its sizes, and how many rows, source positions and target steps."""

    name: str
    kernel: type[Kernel]
    spec: str
    sizes: tuple[Any, ...]
    options: Mapping[str, Any]
    rows: int
    positions: int
    steps: int


def cases(hidden: int, rows: int, positions: int, steps: int) -> Iterator[Case]:
    """Every loop with both cells and every kind of scores."""
    memory, inputs = 2 * hidden, hidden
    after = {"attentional_size": hidden, "input_feeding": True}
    for cell, scorer in (("lstm", "additive"), ("gru", "general")):
        options = {"cell": {"type": cell, "hidden_size": hidden}, "attention": {"scorer": scorer}}
        sizes, shape = (inputs, memory, (), 5), (rows, positions, steps)
        yield Case(
            f"attend_after {cell} {scorer}",
            WideAttendAfterKernel,
            "decoder/attend_after",
            sizes,
            options | after,
            *shape,
        )
        query = ("output", "input") if scorer == "additive" else ("output",)
        features = {"query": query, "features": ("output", "context")}
        yield Case(
            f"attend_before {cell} {scorer}",
            WideAttendBeforeKernel,
            "decoder/attend_before",
            sizes,
            options | features,
            *shape,
        )
    for scorer, memory_size in (("additive", memory), ("scaled_dot", hidden)):
        yield Case(
            f"attention {scorer}", AttentionKernel, "attention", (hidden, memory_size), {"scorer": scorer}, *shape
        )


def run(part: nn.Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The outputs of a decoder or an attention."""
    if isinstance(part, Attention):
        context, weights, _ = part(given["x"], *part.start(given["memory"], given["mask"]))
        return {"context": context, "weights": weights}
    assert isinstance(part, Decoder)
    fixed, state = part.start(Encoded(given["memory"], given["mask"], ()))
    state = tree.map(lambda leaf: leaf + 0.1, state)
    features, weights, state = part.unroll(given["x"], fixed, state)
    return {"features": features, "weights": weights} | named(state, "state")


def measured(part: nn.Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The outputs, and the gradients of their sum weighted by fixed numbers, on the CPU in float64."""
    given = {name: x.detach().clone().requires_grad_(x.is_floating_point()) for name, x in given.items()}
    outputs = run(part, given)
    generator = torch.Generator().manual_seed(3)
    weighted = [
        (x * torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)).sum() for x in outputs.values()
    ]
    leaves = {name: x for name, x in given.items() if x.requires_grad} | dict(part.named_parameters())
    found = torch.autograd.grad(
        sum(weighted, torch.zeros((), device=weighted[0].device)), list(leaves.values()), allow_unused=True
    )
    grads = {f"gradient of {name}": x for name, x in zip(leaves, found, strict=True) if x is not None}
    return {name: x.detach().double().cpu() for name, x in (outputs | grads).items()}


def prepared(case: Case, device: torch.device) -> tuple[nn.Module, dict[str, Tensor]]:
    """The part, and inputs of which the second row has no real position where there are several."""
    torch.manual_seed(0)
    part = make(case.spec, *case.sizes, **case.options)
    memory = torch.randn(case.rows, case.positions, case.sizes[1])
    lengths = torch.randint(case.positions // 2, case.positions + 1, (case.rows,))
    if case.rows > 1:
        lengths[:2] = torch.tensor([case.positions, 0])
    mask = torch.arange(case.positions) < lengths[:, None]
    given = {"x": torch.randn(case.rows, case.steps, case.sizes[0]), "memory": memory * mask.unsqueeze(2), "mask": mask}
    return part.to(device), {name: x.to(device) for name, x in given.items()}


def error(wanted: dict[str, Tensor], found: dict[str, Tensor]) -> tuple[float, str]:
    """The largest error, and whose it is."""
    errors = {name: float((found[name] - x).abs().max() / x.abs().max().clamp(min=1e-30)) for name, x in wanted.items()}
    worst = max(errors, key=lambda name: errors[name] if errors[name] == errors[name] else float("inf"))
    return errors[worst], worst


def check(case: Case, device: torch.device) -> bool:
    """One line, and whether the kernels' error is small: at most 1e-5, or three times the part's own in float32."""
    part, given = prepared(case, device)
    double = {name: x.double().cpu() if x.is_floating_point() else x.cpu() for name, x in given.items()}
    wanted = measured(copy.deepcopy(part).double().cpu(), double)
    own = error(wanted, measured(copy.deepcopy(part), given))[0]
    kernel = case.kernel()
    why = kernel.unavailable() or kernel.serves(part)
    assert why is None, why
    left: list[str] = []
    faster = bound(watched(kernel, left), copy.deepcopy(part))
    found, worst = error(wanted, measured(faster, given))
    assert not left, left
    line = f"{case.name:30} B {case.rows} S {case.positions} T {case.steps}  error {found:.1e} ({worst}), own {own:.1e}"
    if device.type == "cuda":
        times = [timed(lambda p=p: measured_step(p, given)) for p in (part, faster)]
        line += "  own {:.2f} eager {:.2f} graph; kernels {:.2f} eager {:.2f} graph ms".format(*times[0], *times[1])
    print(line, flush=True)
    return found <= max(TOLERANCE, 3 * own)


def measured_step(part: nn.Module, given: dict[str, Tensor]) -> None:
    """Forward and backward, gradients dropped."""
    given = given | {"memory": given["memory"].detach().requires_grad_(), "x": given["x"].detach().requires_grad_()}
    outputs = run(part, given)
    first = next(iter(outputs.values()))
    torch.autograd.grad(first.sum(), [given["memory"], given["x"], *part.parameters()], allow_unused=True)


def timed(step: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds of one call: eager, and replayed from a CUDA graph; the latter NaN where it cannot be captured."""
    eager = _median(step)
    try:
        return eager, _median(captured(step).replay)
    except RuntimeError as failure:
        print(f"  not captured: {str(failure).splitlines()[0]}")
        torch.cuda.synchronize()
        return eager, float("nan")


def captured(step: Callable[[], Any]) -> torch.cuda.CUDAGraph:
    """A CUDA graph of one call."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph


def _median(step: Callable[[], Any]) -> float:
    times = []
    for _ in range(2):
        step()
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(3):
            step()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / 3e-3)
    return statistics.median(times)


def kernels(rows: int) -> None:
    """Microseconds of the attention's kernels for one step of all rows, for other tiles and numbers of warps."""
    new = torch.randn(rows, 62, 256, device="cuda")
    keys, values, query, rest = new[:, :60].contiguous(), new[:, 1:61].contiguous(), new[:, :1], new[:, 2:3]
    scores = attend_step.Scores(True, 1.0, torch.ones(rows, 60, dtype=torch.bool, device="cuda"))
    seen = attend_step.Seen(new.new_empty(rows, 1, 60), new.new_empty(rows, 1, 256))
    found = attend_step.Seen(torch.empty_like(seen.weights), torch.randn_like(seen.context))
    asked, of = attend_step.Asked(query, rest), attend_step.Asked(torch.empty_like(query), torch.empty_like(rest))
    memory = keys, values, new[0, 0].contiguous()
    calls = [
        partial(_twenty, scores.attend, asked, *memory, seen),
        partial(_twenty, scores.backward, found, None, seen, asked, *memory, of),
    ]
    for tile, warps in itertools.product((4096, 8192), (8, 16)):
        attend_step.TILE, attend_step.WARPS = tile, warps
        times = [50 * timed(call)[1] for call in calls]
        print(
            "attention, B {}, tile {}, {} warps: {:.1f} us forward, {:.1f} backward".format(rows, tile, warps, *times)
        )
    attend_step.TILE, attend_step.WARPS = 8192, 8


def _twenty(call: Callable[..., None], *arguments: Any) -> None:
    for _ in range(20):
        call(*arguments)


def encoders() -> None:
    """Milliseconds of an encoder both ways, H 256, B 64, S 60: its own method, in one call of cuDNN, and `nn.LSTM`."""
    torch.manual_seed(0)
    own = make("encoder/rnn", 256, cell={"type": "lstm", "hidden_size": 256}, bidirectional=True).cuda()
    once, whole = (
        bound(BothWaysKernel(), copy.deepcopy(own)),
        nn.LSTM(256, 256, batch_first=True, bidirectional=True).cuda(),
    )
    x, mask = torch.randn(64, 60, 256, device="cuda"), torch.ones(64, 60, dtype=torch.bool, device="cuda")
    with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False):
        difference = float((own(x, mask).memory - once(x, mask).memory).abs().max())
    calls = {
        "own": lambda: torch.autograd.grad(own(x, mask).memory.sum(), list(own.parameters())),
        "both ways": lambda: torch.autograd.grad(once(x, mask).memory.sum(), list(once.parameters())),
        "nn.LSTM": lambda: torch.autograd.grad(whole(x)[0].sum(), list(whole.parameters())),
    }
    for name, call in calls.items():
        print("encoder, {}: {:.2f} ms eager, {:.2f} graph".format(name, *timed(call)))
    print(f"encoder: both ways differs from its own method by {difference:.1e}", flush=True)


class Plain(nn.Module):
    """The family `input_feeding` as anyone would write it in PyTorch: nn.LSTM, and a loop over nn.LSTMCell."""

    def __init__(self, symbols: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.embedded, self.written = nn.Embedding(symbols + 1, hidden), nn.Embedding(symbols + 1, hidden)
        self.encoder = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in "hc")
        self.keys, self.ask = nn.Linear(2 * hidden, hidden), nn.Linear(hidden, hidden, bias=False)
        self.energy = nn.Linear(hidden, 1, bias=False)
        self.cell = nn.LSTMCell(2 * hidden, hidden)
        self.combine = nn.Linear(3 * hidden, hidden, bias=False)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, source: Tensor, gold: Tensor) -> Tensor:
        """`source [B, S]`, `gold [B, T]` -> logits `[B, T, V]`."""
        memory, finals = self.encoder(self.embedded(source))
        keys = self.keys(memory)
        h, c = (torch.tanh(bridge(x.transpose(0, 1).flatten(1))) for bridge, x in zip(self.bridge, finals, strict=True))
        vector, logits = memory.new_zeros(len(source), self.hidden), []
        for given in self.written(gold).unbind(1):
            h, c = self.cell(torch.cat([given, vector], 1), (h, c))
            scores = self.energy((self.ask(h)[:, None] + keys).tanh()).squeeze(2)
            context = (scores.softmax(1)[:, None] @ memory).squeeze(1)
            vector = self.combine(torch.cat([context, h], 1)).tanh()
            logits.append(self.out(vector))
        return torch.stack(logits, 1)


def training(shape: Shape, device: torch.device) -> None:
    """Whole training steps of the family `input_feeding`: loss, backward, clipping, Adam."""
    times = {}
    for engine in ("reference", "auto"):
        chosen = variant("input_feeding", shape, engine=engine)
        made = assemble(chosen, seed=0)
        here = made.task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=CPU)
        here, model, loss_of = here.to(device), made.model.to(device), made.loss
        if engine == "auto":
            parts = install(model, engine, default_registry(), device, torch.float32)
            print(
                "  " + ", ".join(f"{choice.part}.{choice.method}: {choice.kernel or 'reference'}" for choice in parts)
            )

        def loss(model: Any = model, loss_of: Any = loss_of, here: Any = here) -> Tensor:
            total, count = loss_of(*model(here), here)
            return total / count

        times[engine] = timed(_update(model, loss, **FUSED))
        if engine == "auto":
            launches = _kernels(_update(model, loss, **FUSED))
    torch.manual_seed(0)
    plain = Plain(shape.symbols, shape.hidden).to(device)
    gold = nn.functional.pad(here.target[:, :-1], (1, 0), value=shape.symbols)

    def plain_loss() -> Tensor:
        return nn.functional.cross_entropy(plain(here.source, gold).flatten(0, 1), here.target.flatten())

    eager, (_, graph) = _median(_update(plain, plain_loss)), timed(_update(plain, plain_loss, **FUSED))
    best_eager, best = times["auto"]
    print(f"training step, {shape}, B {shape.batch}: plain PyTorch {eager:.2f} ms eager, {graph:.2f} graph; seqtool "
          f"reference {times['reference'][0]:.2f}, {times['reference'][1]:.2f}; kernels {best_eager:.2f}, {best:.2f}; "
          f"plain eager / kernels graph = {eager / best:.2f}; {launches} kernels a step", flush=True)  # fmt: skip


def _update(model: nn.Module, loss: Callable[[], Tensor], **options: bool) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), **options)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()

    return step


def _kernels(step: Callable[[], None]) -> int:
    """How many kernels one call launches; those that take longest are printed."""
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
        torch.cuda.synchronize()
    events = [event for event in profile.key_averages() if event.device_type == torch.autograd.DeviceType.CUDA]
    for event in sorted(events, key=lambda event: -event.self_device_time_total)[:24]:
        print(f"    {event.self_device_time_total:8.0f} us {event.count:5d}  {event.key[:100]}")
    return sum(event.count for event in events)


def main() -> int:
    """Check, time, print."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(torch.cuda.get_device_name() if device.type == "cuda" else "Triton's interpreter", flush=True)
    some = [(256, 64, 60, 20)] if device.type == "cuda" else [(67, 3, 7, 3)]
    fine = [check(case, device) for size in some for case in cases(*size)]
    if device.type == "cuda":
        fine += [check(case, device) for case in itertools.islice(cases(100, 3, 7, 5), 2)]
        for rows in (64, 1024):
            kernels(rows)
        encoders()
        for rows in (64, 1024):
            training(Shape(hidden=256, batch=rows), device)
    return int(not all(fine))


if __name__ == "__main__":
    sys.exit(main())
