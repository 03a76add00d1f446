"""Decoders without a recurrence through attention compute all target steps without a loop."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import seqtool
from seqtool.api import Encoded


class Counter(TorchDispatchMode):
    """Counts torch operations."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # a kernel for the cell is one call; its backward formula on the CPU is not counted
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations(decoder: Any, steps: int) -> int:
    """The number of operations of an unroll over `steps` target steps."""
    encoded = Encoded(torch.randn(2, 7, 5), torch.ones(2, 7, dtype=torch.bool), ())
    calls = 0
    step = decoder.cell.step

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return step(*arguments)

    decoder.cell.step = counted
    # unroll the cell before counting, to exclude operations within torch's kernel for a whole sequence
    inputs, real = torch.randn(2, steps, 3), torch.ones(2, steps, dtype=torch.bool)
    if not decoder.input_feeding:
        unrolled = decoder.cell.unroll(inputs, real, *decoder.cell.start(2, inputs))
        decoder.cell.unroll = lambda *arguments: unrolled
    fixed, state = decoder.start(encoded)
    with torch.no_grad(), Counter() as counter:
        features, weights, _ = decoder.unroll(inputs, fixed, state)
    vars(decoder.cell).pop("step")
    vars(decoder.cell).pop("unroll", None)
    assert features.shape == (2, steps, 11)
    assert weights.shape == (2, 1, steps, 7)
    assert calls == (steps if decoder.input_feeding else 0)
    return counter.count


@pytest.mark.parametrize("scorer", ["additive", "general", {"type": "gmm", "components": 2}])
def test_attend_after_without_input_feeding_has_no_loop(scorer: Any) -> None:
    options = {"cell": {"type": "rnn", "hidden_size": 11}, "attentional_size": 11, "attention": {"scorer": scorer}}
    at_once = seqtool.make("decoder/attend_after", 3, 5, (), 4, **options)
    looping = seqtool.make("decoder/attend_after", 3, 5, (), 4, **options, input_feeding=True)
    few, many = operations(looping, 4), operations(looping, 40)
    assert many > 5 * few, "input feeding must loop, or this test counts nothing"
    assert operations(at_once, 40) == operations(at_once, 4), (
        "the number of operations does not depend on the number of steps"
    )
