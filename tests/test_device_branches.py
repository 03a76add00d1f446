"""On a device, results equal those of the CPU, which uses shortcuts such as known full masks."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from pretend_device import Elsewhere, PretendDevice, to_device
from torch import Tensor, nn

from seqtool.api import tree
from seqtool.registry import Registered, default_registry
from seqtool.testing import CONTRACTS, example_options

LENGTHS = {"full": [7, 7, 7], "ragged": [7, 3, 1], "with an empty row": [7, 0, 5]}
PARTS = [
    pytest.param(part, id=f"{part.kind}/{part.name}")
    for kind in ("cell", "encoder")
    for part in default_registry().parts(kind)
]


def used(part: Any, x: Tensor, mask: Tensor) -> list[Tensor]:
    """The results for a source, and the gradients of parameters."""
    if hasattr(part, "unroll"):
        outputs, state = part.unroll(x, mask, *part.start(len(x), x))
        given = [outputs, *tree.leaves(state)]
    else:
        memory, _, final = part(x, mask)
        given = [memory, *tree.leaves(final)]
    total = sum(((one * one).sum() for one in given if one.is_floating_point()), x.new_zeros(()))
    parameters = list(part.parameters())
    found = torch.autograd.grad(total, parameters) if parameters else ()
    return [*given, *found]


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("part", PARTS)
def test_results_on_a_device_equal_those_on_the_cpu(part: Registered, lengths: list[int]) -> None:
    cls = part.load()
    contract = CONTRACTS[part.kind](partial(cls, **example_options(cls)))
    here: nn.Module = contract.part()
    x = contract.randn(len(lengths), max(lengths), contract.sizes[0])
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    wanted = used(here, x, mask)
    with PretendDevice() as device:
        found = used(to_device(copy.deepcopy(here)), Elsewhere(x), Elsewhere(mask))
    assert device.waits == []
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.inner, other, rtol=1e-10, atol=1e-12)
