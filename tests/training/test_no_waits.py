"""Nothing in a step of training waits for the device, whatever the parts: a GPU works ahead of Python."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pretend_device import DEVICE, PretendDevice, to_device
from pytorch_lightning.accelerators import Accelerator
from pytorch_lightning.strategies import SingleDeviceStrategy
from seqtool.training.module import SequenceModule

import seqtool
from seqtool.build.assembly import Assembly, assemble
from seqtool.registry import Registered, default_registry
from seqtool.testing import example_options
from seqtool.training import fit
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
"""What stands in a slot that a part requires."""
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
    "task": {"type": "copy", "length": 5, "min_length": 3, "symbols": 4},
    "model": {"embedding": "one_hot", "encoder": {"type": "rnn", "cell": GRU}, "decoder": DECODER},
    "train": TRAIN,
}
VALUES: dict[str, Any] = {"task": {"type": "adding", "length": 16}, "model": {"embedding": "values"}}
"""Over a task whose sides are values."""


class Pretended(Accelerator):
    """The accelerator of the device that is not there."""

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
    """Have training run on the device that is not there."""

    def elsewhere(*arguments: Any, **options: Any) -> Assembly:
        made = assemble(*arguments, **options)
        to_device(made.model)
        return made

    def on_device(train: Any, device: Any = None) -> dict[str, Any]:
        strategy = SingleDeviceStrategy(DEVICE, accelerator=Pretended())
        return {"strategy": strategy, "devices": 1, "precision": train.precision}

    monkeypatch.setattr(fit, "assemble", elsewhere)
    monkeypatch.setattr(fit, "trainer_options", on_device)
    monkeypatch.setattr(Recorder, "_save", lambda *arguments, **options: None)
    with PretendDevice() as pretended:
        yield pretended


def trained(
    tmp_path: Path, device: PretendDevice, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """What waits from the beginning of the second step to the beginning of the last."""
    import yaml

    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    overrides = [f"{name}={yaml.safe_dump(value, default_flow_style=True).strip()}" for name, value in changes.items()]
    overrides = [one.removesuffix("\n...") for one in overrides]
    (variant,) = seqtool.load_recipe(path, overrides=overrides).variants.values()
    marks: list[int] = []
    step = SequenceModule.training_step

    def marked(self: SequenceModule, *arguments: Any) -> Any:
        marks.append(len(device.waits))
        return step(self, *arguments)

    marked.__signature__ = step.__signature__
    monkeypatch.setattr(SequenceModule, "training_step", marked)
    fit.fit_seed(variant, 0, None, StopSignal())
    assert len(marks) == STEPS
    return device.waits[marks[0] : marks[-1]]


def value(example: Any) -> Any:
    """What a recipe gives in the place of an example option, slots filled with parts of the registry."""
    if isinstance(example, type):
        return FILLED[example.kind]
    if isinstance(example, list | tuple):
        return [value(one) for one in example]
    return ATTENTION if callable(example) else example


def options(part: Registered) -> dict[str, Any]:
    found = {name: value(one) for name, one in example_options(part.load()).items()}
    return {"type": part.canonical} | found


KINDS = ("cell", "encoder", "scorer", "normalizer", "decoder", "readout", "loss", "embedding", "optimizer")
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
PARTS = [pytest.param(part, id=f"{kind}/{part.name}") for kind in KINDS for part in default_registry().parts(kind)]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.filterwarnings("ignore:.*takes scores as logarithms", "ignore:no gradient reaches")
def test_a_step_waits_for_nothing(
    part: Registered, tmp_path: Path, device: PretendDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {PLACES[part.kind]: options(part)}
    if part.kind == "cell":
        changes["model.encoder.cell"] = options(part)
    if part.kind == "optimizer":
        changes[PLACES["optimizer"]]["fused"] = False
    if "symbols" not in getattr(part.load(), "forms", ["symbols"]):
        changes |= {"task": VALUES["task"], "model.embedding": "values"}
    assert trained(tmp_path, device, changes, monkeypatch) == []
