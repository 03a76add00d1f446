"""A training step never waits for the device, with any part."""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pretend_device import DEVICE, PretendDevice, to_device
from pytorch_lightning.accelerators import Accelerator
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor

import seqtool
from seqtool.api import Batch
from seqtool.build.assembly import Assembly, assemble
from seqtool.recipe import Variant
from seqtool.registry import Registered, default_registry
from seqtool.testing import example_options
from seqtool.training import fit, trainer
from seqtool.training.lightning_module import SequenceModule
from seqtool.training.recorder import Recorder
from seqtool.training.stopping import StopSignal

GRU = {"type": "gru", "hidden_size": 6}
ATTENTION = {"scorer": "additive"}
DECODER = {"type": "attend_before", "cell": GRU, "attention": ATTENTION, "bridge": "zero"}
FILLED = {
    "cell": GRU,
    "scorer": "additive",
    "normalizer": "softmax",
    "readout": "linear",
    "decoder": DECODER,
    "loss": "cross_entropy",
}
"""The part for each required slot."""
PLAIN = {"type": "plain", "cell": GRU}
STEPS = 2
TRAIN = {
    "steps": STEPS,
    "batch_size": 5,
    "optimizer": {"type": "adam", "fused": False},
    "schedule": {"type": "cosine", "warmup_steps": 1},
    "clip_norm": 1.0,
    "log_every": STEPS,
    "validate_every": STEPS,
    "validation_batches": 1,
    "validation_batch_size": 4,
    "engine": "auto",
}
RECIPE = {
    "seqtool": 1,
    "name": "waits",
    "task": {"type": "copy", "length": 3, "min_length": 2, "symbols": 4},
    "model": {"embedding": "one_hot", "encoder": {"type": "rnn", "cell": GRU}, "decoder": DECODER},
    "train": TRAIN,
}
PLACES = {
    "cell": "model.decoder.cell",
    "encoder": "model.encoder",
    "scorer": "model.decoder.attention.scorer",
    "normalizer": "model.decoder.attention.normalizer",
    "decoder": "model.decoder",
    "readout": "model.decoder.readout",
    "loss": "train.loss",
    "embedding": "model.embedding",
    "optimizer": "train.optimizer",
}
"""The path of each kind of part in a recipe."""
VALUES = {"task": {"type": "adding", "length": 16}, "model.embedding": "continuous", "train.metrics": ["within"]}
"""A task with continuous sources and targets."""
PARTS = [pytest.param(part, id=f"{kind}/{part.name}") for kind in PLACES for part in default_registry().parts(kind)]


class Pretended(Accelerator):
    """The accelerator of the pretended device."""

    def setup_device(self, device: torch.device) -> None:
        """Nothing to set up."""

    def teardown(self) -> None:
        """Nothing to end."""

    @staticmethod
    def parse_devices(devices: Any) -> Any:
        """One device."""
        return devices

    @staticmethod
    def get_parallel_devices(devices: Any) -> list[torch.device]:
        """One device."""
        return [DEVICE]

    @staticmethod
    def auto_device_count() -> int:
        """One device."""
        return 1

    @staticmethod
    def is_available() -> bool:
        """It always is."""
        return True

    @staticmethod
    def name() -> str:
        """For messages."""
        return "pretended"

    def get_device_stats(self, device: Any) -> dict[str, Any]:
        """Nothing is measured."""
        return {}


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendDevice]:
    """Train on the pretended device."""

    def elsewhere(*arguments: Any, **options: Any) -> Assembly:
        made = assemble(*arguments, **options)
        to_device(made.model)
        return replace(made, optimizer=arguments[0].train.optimizer(made.model.parameters()))

    def on_device(train: Any, device: Any = None) -> dict[str, Any]:
        strategy = SingleDeviceStrategy(DEVICE, accelerator=Pretended())
        return {"strategy": strategy, "devices": 1, "num_nodes": 1, "precision": train.precision}

    monkeypatch.setattr(fit, "assemble", elsewhere)
    monkeypatch.setattr(trainer, "trainer_options", on_device)
    monkeypatch.setattr(Recorder, "_save", lambda *arguments, **options: None)
    with PretendDevice() as pretended:
        yield pretended


def options(part: Registered) -> dict[str, Any]:
    """The options of a part in a recipe: required options, and slots filled with registered parts."""

    def given(example: Any) -> Any:
        if isinstance(example, type):
            return FILLED[example.kind]
        if isinstance(example, list | tuple):
            return [given(one) for one in example]
        return ATTENTION if callable(example) else example

    return {"type": part.canonical} | {name: given(one) for name, one in example_options(part.load()).items()}


def variant_of(tmp_path: Path, changes: dict[str, Any]) -> Variant:
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(RECIPE))
    overrides = [f"{name}={json.dumps(value)}" for name, value in changes.items()]
    (variant,) = seqtool.load_recipe(path, overrides=overrides).variants.values()
    return variant


def train(device: PretendDevice, variant: Variant) -> list[list[str]]:
    """Train, and return the operations that wait in each step, up to the beginning of the next, validation included."""
    device.clear()
    begins: list[int] = []
    step = SequenceModule.training_step

    def noted(self: SequenceModule, *arguments: Any) -> Any:
        begins.append(len(device.waits))
        return step(self, *arguments)

    noted.__signature__ = step.__signature__  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SequenceModule, "training_step", noted)
        fit.fit_seed(variant, 0, None, StopSignal())
    ends = [*begins[1:], len(device.waits)]
    return [device.waits[begin:end] for begin, end in zip(begins, ends, strict=True)]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.filterwarnings("ignore:.*takes scores as logarithms", "ignore:these parameters have no gradient")
def test_a_training_step_of_any_part_never_waits(part: Registered, tmp_path: Path, device: PretendDevice) -> None:
    changes: dict[str, Any] = {PLACES[part.kind]: options(part), "train.metrics": ["token_accuracy"]}
    if part.kind == "cell":
        changes["model.encoder.cell"] = options(part)
    if part.kind == "optimizer":
        changes[PLACES["optimizer"]]["fused"] = False
    if "continuous" in getattr(part.load(), "requires", ()):
        changes |= VALUES
    first, *_ = train(device, variant_of(tmp_path, changes))
    assert first == []
    assert device.wide == []


@pytest.mark.parametrize("changes", [{}, VALUES], ids=["symbols", "values"])
def test_no_float64_is_on_the_device(tmp_path: Path, device: PretendDevice, changes: dict[str, Any]) -> None:
    """Apple's devices do not support float64. Sums of metrics are float64 on the CPU."""
    train(device, variant_of(tmp_path, changes))
    assert device.wide == []


def test_scheduled_sampling_never_waits(tmp_path: Path, device: PretendDevice) -> None:
    sampled = {"schedule": {"type": "linear", "end": 0.2}}
    first, *_ = train(device, variant_of(tmp_path, {"train.scheduled_sampling": sampled}))
    assert first == []


def test_metrics_of_steps_are_copied_once_per_row(tmp_path: Path, device: PretendDevice) -> None:
    changes = {"train.steps": 7, "train.log_every": 3, "train.validate_every": 7}
    waits = train(device, variant_of(tmp_path, changes))
    assert [len(one) for one in waits[:6]] == [0, 0, 1, 0, 0, 1]
    assert "recorder.py" in waits[2][0]


def test_validation_copies_losses_once_and_batches_never(tmp_path: Path, device: PretendDevice) -> None:
    changes = {"train.validation_batches": 3, "train.metrics": ["token_accuracy"], "model.decoder": PLAIN}
    *_, last = train(device, variant_of(tmp_path, changes))
    ours = [wait for wait in last if f"{Path(seqtool.__file__).parent}/" in wait]  # excludes the trainer's teardown
    inwards = [wait for wait in ours if wait.startswith("a copy to")]
    outwards = [wait for wait in ours if wait.startswith("a copy from")]
    assert len(inwards) == 3 * len(fields(Batch))
    predicted, memory_masks, losses, counts, row = 3, 3, 1, 1, 1
    assert len(outwards) == predicted + memory_masks + losses + counts + row


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        (lambda x: float(x.sum()), "a number is read"),
        (lambda x: x.tolist(), "a copy from the device"),
        (lambda x: x.cpu(), "a copy from the device"),
        (lambda x: bool((x > 0).all()), "a number is read"),
        (lambda x: x[x > 0], "a mask picks"),
        (lambda x: x.nonzero(), "nonzero has"),
        (lambda x: x.new_tensor([1.0]), "numbers of the host"),
        (lambda x: torch.tensor([1.0], device=x.device), "numbers of the host"),
        (lambda x: torch.zeros(3).to(x.device), "a copy to the device"),
        (lambda x: x.copy_(torch.zeros(3)), "a copy to the device"),
        (lambda x: x.repeat_interleave(torch.ones(3, dtype=torch.long, device=x.device)), "repeat_interleave has"),
        (lambda x: torch.multinomial(x, 1), "multinomial reads"),
    ],
)
def test_waits_are_recorded(waiting: Callable[[Tensor], Any], reason: str) -> None:
    with PretendDevice() as device:
        x = torch.ones(3, device=DEVICE)
        assert device.waits == []
        waiting(x)
    assert len(device.waits) == 1
    assert device.waits[0].startswith(reason)
    assert __file__ in device.waits[0]


def test_mixing_devices_raises_and_float64_is_recorded() -> None:
    with PretendDevice() as device:
        x = torch.ones(3, device=DEVICE)
        with pytest.raises(RuntimeError, match="two devices"):
            x + torch.ones(3)
        assert device.wide == []
        x.double()
    assert len(device.wide) == 1
