"""`check_on_device` accepts correct results of a device and names wrong ones."""

from functools import partial

import pytest
import torch
from torch import nn

from seqtool.errors import MisuseError
from seqtool.parts.readout import Readout
from seqtool.registry import Registered, default_registry
from seqtool.testing import ContractViolation, check_on_device, example_options
from seqtool.testing.device import CONTRACTS

PARTS = [
    part
    for part in default_registry().parts()
    if part.kind in CONTRACTS and (part.kind != "task" or part.name in ("alignment", "copy"))
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.kind}/{part.name}")
def test_every_part_passes_on_the_cpu(part: Registered, dtype: torch.dtype) -> None:
    cls = part.load()
    check_on_device(part.kind, partial(cls, **example_options(cls)), "cpu", dtype, name=part.name)


class Coarse(Readout):
    """Correct in float64; in other dtypes, `wrong` is applied to the features or to their gradient."""

    def __init__(self, feature_size: int, output_size: int, *, wrong: str = "") -> None:
        super().__init__()
        self.wrong = wrong
        self.map = nn.Linear(feature_size, output_size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if features.dtype != torch.float64 and self.wrong == "rounded":
            features = features + 0.01
        if features.dtype != torch.float64 and self.wrong == "gradient":
            features = features * 1.01 - 0.01 * features.detach()
        logits: torch.Tensor = self.map(features)
        if features.dtype != torch.float64 and self.wrong == "nan":
            logits = logits.log()
        if features.dtype != torch.float64 and self.wrong == "raises":
            raise RuntimeError("no such kernel")
        return logits


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("rounded", "logits are off by"),
        ("gradient", "gradients of features are off by"),
        ("nan", "logits are off by inf"),
        ("raises", "on cpu in float32 raised RuntimeError: no such kernel"),
    ],
)
def test_device_errors_are_named(wrong: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # the device is the CPU here, so the CPU's float32 results do not widen the tolerance
    monkeypatch.setattr("seqtool.testing.device._attempt", lambda compute, dtype: {})
    check_on_device("readout", Coarse, "cpu")
    with pytest.raises(ContractViolation, match=f"readout Coarse: .*{words}"):
        check_on_device("readout", partial(Coarse, wrong=wrong), "cpu")


def test_errors_no_larger_than_the_cpus_are_accepted_unless_not_finite() -> None:
    check_on_device("readout", partial(Coarse, wrong="rounded"), "cpu")
    with pytest.raises(ContractViolation, match="inf"):
        check_on_device("readout", partial(Coarse, wrong="nan"), "cpu")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(MisuseError, match="schedule"):
        check_on_device("schedule", lambda: None, "cpu")
