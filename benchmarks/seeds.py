"""Sixteen seeds in one batched program, compared with sixteen separate steps.

The batched program is the plain loop over target steps with all parameters stacked, `[seeds, ...]`, and batched matrix
products. Gradients are clipped per seed. Adam is elementwise and needs no change.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import plain, steps
from benchmarks.racing import Contestant, Race
from benchmarks.shapes import Shape, variant
from seqtool.build.assembly import assemble

COUNT = 16


class Stacked(nn.Module):
    """`count` models `plain.Gmm` with stacked parameters."""

    def __init__(self, count: int, symbols: int, hidden: int) -> None:
        super().__init__()
        models = [plain.Gmm(symbols, hidden) for _ in range(count)]
        self.hidden = hidden
        for name in ("cell.weight_ih", "cell.weight_hh", "window.weight", "out.weight"):
            stacked = torch.stack([model.get_parameter(name).detach().T for model in models])
            self.register_parameter(name.replace(".", "_"), nn.Parameter(stacked))
        for name in ("cell.bias_ih", "cell.bias_hh", "window.bias", "out.bias"):
            stacked = torch.stack([model.get_parameter(name).detach()[None] for model in models])
            self.register_parameter(name.replace(".", "_"), nn.Parameter(stacked))

    def forward(self, source: Tensor, gold: Tensor) -> Tensor:
        """`source [N, B, S, F]`, `gold [N, B, T, F]` -> logits `[N, B, T, V]`."""
        count, size, length = source.shape[:3]
        h = c = source.new_zeros(count, size, self.hidden)
        kappa = source.new_zeros(count, size, 3)
        positions, outputs = torch.arange(length), []
        bias = self.cell_bias_ih + self.cell_bias_hh
        for symbol in gold.unbind(2):
            inputs = torch.cat([h, symbol], 2)
            alpha, beta, delta = torch.baddbmm(self.window_bias, inputs, self.window_weight).exp().chunk(3, 2)
            kappa = kappa + delta
            bumps = alpha[..., None] * (-beta[..., None] * (kappa[..., None] - positions) ** 2).exp()
            context = (bumps.sum(2)[:, :, None] @ source).squeeze(2)
            gates = torch.baddbmm(bias, torch.cat([symbol, context], 2), self.cell_weight_ih)
            i, f, g, o = torch.baddbmm(gates, h, self.cell_weight_hh).chunk(4, 2)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        read = torch.stack(outputs, 2).flatten(1, 2)
        return torch.baddbmm(self.out_bias, read, self.out_weight).unflatten(1, (size, -1))


def batched(count: int, shape: Shape) -> Callable[[], None]:
    """A training step of all seeds together, each with its own batch."""
    torch.manual_seed(0)
    model, task = Stacked(count, shape.symbols, shape.hidden), assemble(variant("gmm", shape), seed=0).task
    drawn = [
        task.batch("train", 0, seed=seed, rank=0, batch_size=shape.batch, device=steps.CPU) for seed in range(count)
    ]
    pairs = [plain.inputs(data, shape.symbols, one_hot=True) for data in drawn]
    source, gold = (torch.stack(side) for side in zip(*pairs, strict=True))
    target = torch.stack([data.target for data in drawn])
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        logits = model(source, gold)
        # a sum over seeds of means, so that each gradient equals that of the seed trained separately
        (
            nn.functional.cross_entropy(logits.flatten(0, 2), target.flatten(), reduction="sum") / target[0].numel()
        ).backward()
        with torch.no_grad():
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            norm = sum(g.flatten(1).square().sum(1) for g in gradients) ** 0.5  # type: ignore[operator]
            scale = (1 / (norm + 1e-6)).clamp(max=1)
            for g in gradients:
                g.mul_(scale[:, None, None])
        optimizer.step()

    return step


def separate(count: int, shape: Shape, engine: str) -> Callable[[], None]:
    """A training step of each seed, one after the other."""
    single_steps = [steps.training("gmm", shape, engine=engine) for _ in range(count)]

    def step() -> None:
        for single_step in single_steps:
            single_step()

    return step


def races(only: Shape | None) -> Iterator[Race]:
    """Attentive gmm, the smallest model, which gains most from batching."""
    shape, count = only or Shape(), 2 if only else COUNT
    yield Race(
        f"{count} seeds, attentive gmm, {shape}",
        [
            Contestant("batched, plain PyTorch", partial(batched, count, shape)),
            Contestant("separate, auto", partial(separate, count, shape, "auto")),
            Contestant("separate, reference", partial(separate, count, shape, "reference")),
        ],
    )
