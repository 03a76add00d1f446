"""What has been tested on each type of device, and what a device does not support."""

from dataclasses import dataclass

import torch

from seqtool.errors import SeqtoolError


@dataclass(frozen=True)
class Tested:
    """What has been tested on a type of device.

    Attributes:
        what: the features of seqtool that ran there.
        how: by which tests, or by which tests on other devices.
    """

    what: str
    how: str


TESTED = {
    "cpu": Tested("everything", "the test suite"),
    "cuda": Tested(
        "training with kernels and CUDA graphs in float32 and bfloat16, `16-mixed` without graphs, resuming, "
        "prediction, evaluation, interventions, `--workers`",
        "`python -m benchmarks gpu` and the tests of graphs and Triton kernels on one NVIDIA H200, torch 2.11",
    ),
    "mps": Tested("nothing", "tests on the CPU check that training needs neither float64 nor device synchronization"),
}
"""By torch's name of the device. Printed by `seqtool doctor` and repeated in docs/devices.md."""


def refuse_float64(device: torch.device, precision: str) -> None:
    """Refuse float64 on a device that does not support it.

    Raises:
        SeqtoolError: `precision` is "64-true" and the device is MPS.
    """
    if device.type == "mps" and precision == "64-true":
        raise SeqtoolError(
            "precision 64-true needs float64, which MPS devices do not support\n    allowed: --device cpu"
        )
