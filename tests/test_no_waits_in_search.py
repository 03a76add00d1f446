"""Searches and predictions wait for a device only every few steps, and give the same results as on the CPU."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from pretend_device import Elsewhere, PretendDevice, to_device
from torch import Tensor

import seqtool
from seqtool.inference.decode import decode_batch
from seqtool.nn.model import Seq2Seq
from seqtool.parts.search import Search
from seqtool.registry import Registered, default_registry
from seqtool.testing import example_options
from seqtool.testing.search import CLOSED, OPEN, SearchContract

Sides = tuple[Tensor, Tensor]
STEPS = 40
SEARCHES = [pytest.param(part, id=part.name) for part in default_registry().parts("search")]


def searched(part: Registered, vocabulary: Any) -> tuple[Search, Seq2Seq, Sides]:
    """A search with a random model and sources."""
    contract = SearchContract(lambda: None)
    search = seqtool.make(f"search/{part.canonical}", **example_options(part.load()))
    return search, contract.model(vocabulary).float(), contract.source()


@pytest.mark.parametrize("part", SEARCHES)
@pytest.mark.parametrize("vocabulary", [OPEN, CLOSED], ids=["open", "closed"])
def test_searches_wait_only_every_eighth_step(part: Registered, vocabulary: Any) -> None:
    search, model, sides = searched(part, vocabulary)
    here = search.search(model, *sides, STEPS)
    with PretendDevice() as device:
        there = search.search(to_device(model), *map(Elsewhere, sides), STEPS)
    questions = STEPS // 8 if vocabulary.end is not None else 0
    assert len(device.waits) <= questions + 1, "and one for the length of predictions"
    assert all(wait.startswith("a number is read") for wait in device.waits)
    assert device.wide == []
    for name in ("ids", "mask", "scores", "weights"):
        one, other = getattr(there, name), getattr(here, name)
        torch.testing.assert_close(one.inner, other, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("part", SEARCHES)
def test_a_prediction_is_copied_once_and_needs_no_float64(part: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    # tensors of the pretended device cannot be created in inference mode
    monkeypatch.setattr(torch, "inference_mode", lambda mode=True: torch.no_grad() if mode else nullcontext())
    search, model, sides = searched(part, OPEN)
    here = decode_batch(model, search, *sides, STEPS)
    with PretendDevice() as device:
        there = decode_batch(to_device(model), search, *map(Elsewhere, sides), STEPS)
    ids, mask, scores, weights, memory_mask = 5 * ("a copy from the device",)
    fetched = [wait.partition(":")[0] for wait in device.waits if wait.startswith("a copy")]
    assert fetched == [ids, mask, scores, weights, memory_mask]
    assert len(device.waits) <= len(fetched) + 1
    assert device.wide == []
    assert [[one.ids for one in found] for found in there] == [[one.ids for one in found] for found in here]
