"""What is known of each kind of device: what has run there, and what it cannot do."""

from dataclasses import dataclass

import torch

from seqtool.errors import SeqtoolError


@dataclass(frozen=True)
class Tested:
    """What has run on a kind of device.

    Attributes:
        what: what of seqtool ran there.
        how: by what means, or what stands for it.
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
    "mps": Tested("nothing, ever", "tests on the CPU check that training needs neither float64 nor a wait there"),
}
"""By torch's name of the device. `seqtool doctor` prints it, and docs/devices.md repeats it."""


def refuse_float64(device: torch.device, precision: str) -> None:
    """Refuse to compute in float64 where there is none.

    Raises:
        SeqtoolError: `precision` is "64-true", and the device is Apple's.
    """
    if device.type == "mps" and precision == "64-true":
        raise SeqtoolError("precision 64-true needs float64, which MPS devices do not have\n    allowed: --device cpu")
