"""Training steps captured as CUDA graphs and replayed. Tests that need a CUDA device are skipped without one."""

import gc
import json
import os
import random
import signal
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy
from small_run import figures, rows, same_run
from torch import Tensor

import seqtool
from seqtool.api import Batch, SyntheticTask
from seqtool.build.assembly import Assembly, assemble
from seqtool.build.loop_options import LoopOptions
from seqtool.errors import SeqtoolError
from seqtool.recipe import load_recipe
from seqtool.registry import discover
from seqtool.training import cuda_capture, fit, graphed_step
from seqtool.training.buckets import bucket_length, lengths_vary, pad_to_bucket
from seqtool.training.cuda_capture import Capture, CaptureError, Step, can_capture_optimizer
from seqtool.training.graphed_step import GraphedStep

FIXED = ["task={type: alignment, source_length: 9, target_length: 4, symbols: 3}"]
VARYING = ["task={type: dates}"]
CPU = torch.device("cpu")
on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Rerun:
    """A replacement for a CUDA graph without CUDA: it runs the code of the step at each replay."""

    recorded = 0

    def __call__(self, step: Step, warm_up: Callable[[], None]) -> Step:
        warm_up()
        Rerun.recorded += 1
        return step


class Refusing:
    """A device that refuses every step."""

    def __call__(self, step: Step, warm_up: Callable[[], None]) -> Step:
        warm_up()
        raise CaptureError("the host waits for the device in part.py, line 3")


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Capture steps on the CPU with `Rerun`."""
    monkeypatch.setattr(fit, "cannot_capture", lambda *_: None)
    monkeypatch.setattr(graphed_step, "CudaCapture", Rerun)
    monkeypatch.setattr(Rerun, "recorded", 0)


def step_of(run: Path) -> dict[str, str]:
    return json.loads((run / "default/seed0/environment.json").read_text())["step"]


def test_buckets_cover_all_lengths_and_are_few() -> None:
    for length in range(1, 600):
        assert bucket_length(bucket_length(length)) == bucket_length(length) >= length
        assert bucket_length(length) < 1.25 * length or length <= 32
    assert len({bucket_length(length) for length in range(1, 513)}) == 20


@pytest.mark.parametrize("targets", ["symbols", "values"])
def test_a_padded_batch_has_the_same_loss(small: Path, targets: str) -> None:
    recipe = (
        load_recipe(small) if targets == "symbols" else load_recipe("tasks/adding_50", overrides=["task.length=11"])
    )
    made = assemble(next(iter(recipe.variants.values())), seed=0)
    batch = made.task.batch("train", 0, seed=0, rank=0, batch_size=5, device=CPU)
    padded = pad_to_bucket(batch)
    assert padded.source.shape[1] == bucket_length(batch.source.shape[1]) > batch.source.shape[1]
    assert padded.target.shape[1] == padded.alignment.shape[1] == bucket_length(batch.target.shape[1])
    assert not padded.source_mask[:, batch.source.shape[1] :].any()
    assert not padded.target_mask[:, batch.target.shape[1] :].any()
    with torch.no_grad():
        (total, count), (same, also) = (made.loss(*made.model(one), one) for one in (batch, padded))
    assert count == also
    torch.testing.assert_close(total, same, rtol=1e-5, atol=1e-6)


def test_whether_lengths_vary_is_found_from_the_first_batches(small: Path) -> None:
    for changes, varies in ((FIXED, False), (VARYING, True)):
        (variant,) = load_recipe(small, overrides=changes).variants.values()
        assert lengths_vary(assemble(variant, seed=0).task, seed=0, batch_size=3) is varies


@pytest.mark.usefixtures("replayed")
@pytest.mark.parametrize("optimizer", ["adam", "{type: sgd, momentum: 0.9}", "{type: adam, fused: false}"])
def test_replayed_steps_equal_eager_steps(
    small: Path, tmp_path: Path, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = "{type: variational_dropout, cell: {type: lstm, hidden_size: 8}, input: 0.3}"
    changes = [*FIXED, f"train.optimizer={optimizer}", f"model.encoder.cell={dropped}"]
    seqtool.run(small, out=tmp_path / "graphed", overrides=changes)
    monkeypatch.setattr(fit, "cannot_capture", lambda *_: "not wanted")
    seqtool.run(small, out=tmp_path / "reference", overrides=changes)
    assert Rerun.recorded == 1
    assert step_of(tmp_path / "graphed") == {"runs": "graphed"}
    assert step_of(tmp_path / "reference") == {"runs": "eagerly", "reason": "not wanted"}
    assert rows(tmp_path / "graphed/default/seed0") == rows(tmp_path / "reference/default/seed0")
    assert figures(tmp_path / "graphed/default/seed0") == figures(tmp_path / "reference/default/seed0")


@pytest.mark.usefixtures("replayed")
def test_varying_lengths_are_captured_in_few_shapes(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=VARYING)
    assert 1 < Rerun.recorded <= 4, "sources of 9 to 32 characters have three buckets"
    with_graphs = [float(row["train_loss"]) for row in rows(tmp_path / "run/default/seed0")]
    monkeypatch.setattr(fit, "cannot_capture", lambda *_: "not wanted")
    seqtool.run(small, out=tmp_path / "eager", overrides=VARYING)
    assert with_graphs == pytest.approx([float(r["train_loss"]) for r in rows(tmp_path / "eager/default/seed0")], 1e-3)


@pytest.mark.usefixtures("replayed")
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=on_cuda)])
def test_a_resumed_run_with_replayed_steps_equals_an_uninterrupted_one(
    small: Path, tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device == "cuda":
        monkeypatch.undo()
        small.write_text(small.read_text() + "  deterministic: true\n")
    seqtool.run(small, out=tmp_path / "whole", device=device)
    drawn = SyntheticTask.batch

    def draw(self: SyntheticTask, split: str, k: int, **keys: object) -> object:
        if split == "train" and k == 29:
            os.kill(os.getpid(), signal.SIGINT)
        return drawn(self, split, k, **keys)

    with monkeypatch.context() as patch:
        patch.setattr(SyntheticTask, "batch", draw)
        with pytest.raises(SeqtoolError, match="stopped"):
            seqtool.run(small, out=tmp_path / "parts", device=device)
    seqtool.run(resume=tmp_path / "parts", device=device)
    assert step_of(tmp_path / "parts") == {"runs": "graphed"}
    same_run(tmp_path / "whole/default/seed0", tmp_path / "parts/default/seed0")


def test_a_step_that_cannot_be_captured_runs_eagerly_with_a_reason(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "cannot_capture", lambda *_: None)
    monkeypatch.setattr(graphed_step, "CudaCapture", Refusing)
    with pytest.warns(UserWarning, match=r"not captured as a CUDA graph: the host waits .* in part.py, line 3"):
        seqtool.run(small, out=tmp_path / "run", overrides=FIXED)
    reason = "the host waits for the device in part.py, line 3"
    assert step_of(tmp_path / "run") == {"runs": "eagerly", "reason": reason}
    monkeypatch.setattr(fit, "cannot_capture", lambda *_: "not wanted")
    seqtool.run(small, out=tmp_path / "eager", overrides=FIXED)
    assert rows(tmp_path / "run/default/seed0") == rows(tmp_path / "eager/default/seed0")


def test_shapes_beyond_the_limit_run_eagerly(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    monkeypatch.setattr(graphed_step, "MAX_SHAPES", 2)
    monkeypatch.setattr(Rerun, "recorded", 0)
    (variant,) = load_recipe(small, overrides=VARYING).variants.values()
    made = assemble(variant, seed=0)
    step = graphed(made, Rerun())
    for k in range(12):
        step(made.task.batch("train", k, seed=0, rank=0, batch_size=2, device=CPU))
    assert Rerun.recorded == 2
    assert step.reason is None


@pytest.mark.usefixtures("replayed")
def test_a_part_that_refuses_padded_lengths_is_captured_unpadded(small: Path, tmp_path: Path) -> None:
    longest = "model.decoder.attention.scorer={type: location, max_length: 9}"  # as in scan; 9 is padded to 16
    changes = ["task={type: scan}", longest, "train.steps=12", "train.validate_every=12", "train.validation_batches=1"]
    seqtool.run(small, out=tmp_path / "run", overrides=changes)
    assert Rerun.recorded > 1
    assert step_of(tmp_path / "run") == {"runs": "graphed"}


class Counting(torch.nn.Module):
    """A part that counts its calls in a buffer."""

    def __init__(self, replacing: bool) -> None:
        super().__init__()
        self.replacing = replacing
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        if self.replacing:
            self.calls = self.calls + 1
        else:
            self.calls += 1
        return self.weight.sum(), torch.zeros(3)


def a_batch() -> Batch:
    return seqtool.make("task/copy", length=3, symbols=2).batch("train", 0, seed=0, rank=0, batch_size=2, device=CPU)


def counted(capture: Capture, *, replacing: bool = False) -> tuple[Counting, GraphedStep]:
    part = Counting(replacing)
    optimizer = torch.optim.Adam([part.weight], fused=True)
    part.weight.sum().backward()
    optimizer.step()
    return part, GraphedStep(part, part, optimizer, lambda: None, capture=capture)


def test_warm_up_does_not_change_buffers() -> None:
    part, step = counted(Rerun())
    step(a_batch())
    assert part.calls == 1
    part, step = counted(Refusing())
    with pytest.warns(UserWarning, match="not captured"):
        step(a_batch())
    assert part.calls == 1


def test_a_part_that_replaces_its_buffers_is_not_captured() -> None:
    _, step = counted(Rerun(), replacing=True)
    with pytest.warns(UserWarning, match="a part replaces a buffer instead of writing to it"):
        step(a_batch())
    assert step.reason


@pytest.mark.parametrize("draw", [random.random, np.random.rand], ids=["python", "numpy"])
def test_a_step_that_draws_on_the_host_is_not_captured(draw: Callable[[], float]) -> None:
    part, step = counted(Rerun())
    step.objective = lambda batch: (part.weight.sum() * draw(), torch.zeros(3))
    with pytest.warns(UserWarning, match="it draws random numbers on the host"):
        step(a_batch())


class Averaging(torch.optim.Adam):
    """An optimizer with undeclared work on the host."""

    def step(self, closure: Callable[[], float] | None = None) -> None:
        super().step()
        self.steps = getattr(self, "steps", 0) + 1


def test_only_optimizers_whose_step_is_known_are_captured() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    adam = torch.optim.Adam([weight], fused=True)
    assert can_capture_optimizer(adam)
    adam.register_step_post_hook(lambda *_: None)
    assert not can_capture_optimizer(adam)
    assert can_capture_optimizer(seqtool.make("optimizer/sgd", [weight]))
    assert not can_capture_optimizer(torch.optim.Adam([weight], fused=False))
    assert not can_capture_optimizer(Averaging([weight], fused=True))
    options = LoopOptions.__new__(LoopOptions)
    object.__setattr__(options, "engine", "auto")
    strategy = SingleDeviceStrategy(torch.device("cuda:0"))
    reason = cuda_capture.cannot_capture(options, strategy, torch.optim.LBFGS([weight]))
    assert reason == "LBFGS computes the loss several times per step"


@pytest.mark.usefixtures("replayed")
def test_captured_steps_are_released_after_the_training(small: Path, tmp_path: Path) -> None:
    alive: list[weakref.ref[GraphedStep]] = []
    made = GraphedStep.__init__

    def init(self: GraphedStep, *arguments: object, **named: object) -> None:
        alive.append(weakref.ref(self))
        made(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GraphedStep, "__init__", init)
        gc.disable()
        try:
            seqtool.run(small, out=tmp_path / "run", overrides=[*FIXED, "train.steps=3"])
            assert [step() for step in alive] == [None]
        finally:
            gc.enable()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_learning_rates_are_read_from_the_device_only_while_a_step_is_captured(kind: type) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = kind([weight], lr=0.5, fused=True)
    before = dict(optimizer.param_groups[0])
    seen: list[Tensor] = []

    def capture(step: Step, warm_up: Callable[[], None]) -> Step:
        seen.append(optimizer.param_groups[0]["lr"])
        assert optimizer.param_groups[0]["capturable"]
        return lambda: (torch.zeros(3), [])

    step = GraphedStep(torch.nn.Module(), lambda batch: (weight.sum(), torch.zeros(3)), optimizer, lambda: None)
    step.capture = capture
    batch = a_batch()
    step(batch)
    assert dict(optimizer.param_groups[0]) == before
    (rate,) = seen
    assert rate == 0.5
    optimizer.param_groups[0]["lr"] = 0.25
    step(batch)
    assert rate == 0.25


def test_the_engine_graphed_is_refused_without_cuda(small: Path, tmp_path: Path) -> None:
    message = r"engine 'graphed': CUDA graphs need a CUDA device, and the device is cpu\n +allowed: train.engine: auto"
    with pytest.raises(SeqtoolError, match=message):
        seqtool.run(small, out=tmp_path / "run", overrides=["train.engine=graphed"])


@on_cuda
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
def test_on_cuda_replayed_steps_equal_eager_steps(small: Path, tmp_path: Path, precision: str) -> None:
    registry = discover(disabled=("triton",))
    wrapped = "{type: variational_dropout, cell: {type: lstm, hidden_size: 8}, input: 0.3}"
    changes = [*FIXED, f"train.precision={precision}", f"model.encoder.cell={wrapped}", "train.accelerator=cuda"]
    for engine in ("graphed", "reference"):
        recipe = load_recipe(small, registry=registry, overrides=[*changes, f"train.engine={engine}"])
        seqtool.run(recipe, out=tmp_path / engine, registry=registry)
    assert step_of(tmp_path / "graphed") == {"runs": "graphed"}
    losses = [
        [float(row["train_loss"]) for row in rows(tmp_path / engine / "default/seed0")]
        for engine in ("graphed", "reference")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4 if precision == "32-true" else 2e-2)


@on_cuda
def test_on_cuda_a_part_that_waits_for_the_device_is_named(small: Path, tmp_path: Path) -> None:
    class Waiting(torch.nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * float(x.detach().abs().amax() >= 0)

    (variant,) = load_recipe(small, overrides=FIXED).variants.values()
    made = assemble(variant, seed=0)
    made.model.cuda()
    made.model.decoder.readout_layer = Waiting(made.model.decoder.feature_size, 3).cuda()
    step = graphed(made, None)
    batch = made.task.batch("train", 0, seed=0, rank=0, batch_size=2, device=torch.device("cuda"))
    with pytest.warns(UserWarning, match=r"the host waits for the device in .*test_graphs.py, line \d+"):
        step(batch)
    assert step.reason


def graphed(made: Assembly, capture: Capture | None) -> GraphedStep:
    """The assembly's training step, after a first step that creates the optimizer's state."""

    def objective(batch: Batch) -> tuple[Tensor, Tensor]:
        total, count = made.loss(*made.model(batch), batch)
        return total / count, torch.stack([total.detach(), count.float()])

    optimizer = torch.optim.Adam(made.model.parameters(), fused=True)
    return GraphedStep(made.model, objective, optimizer, lambda: None, capture=capture)
