"""Tasks draw training batches on the device without waiting and without float64."""

import pytest
from pretend_device import DEVICE, Elsewhere, PretendDevice

from seqtool.api import Batch
from seqtool.parts.task import SyntheticTask
from seqtool.registry import Registered, default_registry
from seqtool.testing import example_options

TASKS = [pytest.param(part, id=part.name) for part in default_registry().parts("task")]


@pytest.mark.parametrize("part", TASKS)
@pytest.mark.filterwarnings("ignore:.* skipped:UserWarning")
def test_a_training_batch_never_waits(part: Registered) -> None:
    cls = part.load()
    task = cls(**example_options(cls))
    task.prepare()
    with PretendDevice() as device:
        for k in range(2):
            device.clear()
            batch = task.batch("train", k, seed=0, rank=0, batch_size=5, device=DEVICE)
    assert all(isinstance(getattr(batch, name), Elsewhere) for name in Batch.__dataclass_fields__)
    assert device.wide == []
    if isinstance(task, SyntheticTask):
        assert device.waits == []
    else:
        assert len(device.waits) <= len(Batch.__dataclass_fields__), "each tensor is copied to the device once"
        assert all(wait.startswith("a copy to the device") for wait in device.waits)
