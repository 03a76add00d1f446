"""Searches and predictions read a device every few steps, and find what they find on the CPU."""

from typing import Any

import pytest
import torch
from pretend_device import Elsewhere, PretendDevice, to_device

import seqtool
from seqtool.inference.decoding import decoded
from seqtool.parts.search import Hypotheses
from seqtool.registry import Registered, default_registry
from seqtool.testing import example_options
from seqtool.testing.search import CLOSED, OPEN, SearchContract

STEPS = 40
SEARCHES = [pytest.param(part, id=part.name) for part in default_registry().parts("search")]


def found(part: Registered, model: Any, steps: int, *, elsewhere: bool) -> Hypotheses:
    """What a search writes with a model."""
    sides = SearchContract(lambda: None).source()
    if elsewhere:
        to_device(model)
        sides = tuple(map(Elsewhere, sides))
    search = seqtool.make(f"search/{part.canonical}", **example_options(part.load()))
    result: Hypotheses = search.search(model, *sides, steps)
    return result


@pytest.mark.parametrize("part", SEARCHES)
@pytest.mark.parametrize("vocabulary", [OPEN, CLOSED], ids=["open", "closed"])
def test_a_step_waits_for_nothing_but_every_eighth(part: Registered, vocabulary: Any) -> None:
    contract = SearchContract(lambda: None)
    moved = contract.model(vocabulary).float()
    with PretendDevice() as device:
        there = found(part, moved, STEPS, elsewhere=True)
    questions = STEPS // 8 if vocabulary.end is not None else 0
    assert len(device.waits) <= questions + 1, "and one for the length of what was written"
    assert all(wait.startswith("a number is read") for wait in device.waits)
    assert device.wide == []
    here = found(part, contract.model(vocabulary).float(), STEPS, elsewhere=False)
    for name in ("ids", "mask", "scores", "weights"):
        one, other = getattr(there, name), getattr(here, name)
        torch.testing.assert_close(one.inner, other, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("part", SEARCHES)
def test_a_prediction_is_fetched_once_and_needs_no_float64(part: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # tensors like ours cannot be made in the former
    contract = SearchContract(lambda: None)
    search = seqtool.make(f"search/{part.canonical}", **example_options(part.load()))
    model = contract.model(OPEN).float()
    with PretendDevice() as device:
        model = to_device(model)
        there = decoded(model, search, *map(Elsewhere, contract.source()), STEPS)
    ids, mask, scores, weights, memory_mask = 5 * ("a copy from the device",)
    fetched = [wait.partition(":")[0] for wait in device.waits if wait.startswith("a copy")]
    assert fetched == [ids, mask, scores, weights, memory_mask]
    assert len(device.waits) <= len(fetched) + 1
    assert device.wide == []
    here = decoded(contract.model(OPEN).float(), search, *contract.source(), STEPS)
    assert [[one.ids for one in found] for found in there] == [[one.ids for one in found] for found in here]
