"""Kernels of optimizers beyond the contract suite: states and options from a loaded `state_dict`."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import seqtool
from seqtool.testing.kernel_binding import attach_kernel, record_refusals
from seqtool_fused.optimizer import AdamKernel, ClipKernel

OTHERS: list[dict[str, Any]] = [{"amsgrad": True}, {"maximize": True}]


def stepped(optimizer: Any, steps: int = 3) -> Tensor:
    """The parameter after some steps."""
    (parameter,) = optimizer.param_groups[0]["params"]
    torch.manual_seed(0)
    for _ in range(steps):
        parameter.grad = torch.randn(parameter.shape)
        optimizer.step()
    return parameter.detach().clone()


def made(size: int = 50, **options: Any) -> Any:
    return seqtool.make("optimizer/adam", [nn.Parameter(torch.ones(size))], **options)


@pytest.mark.parametrize("loaded", OTHERS, ids=str)
def test_options_of_a_loaded_state_use_the_reference(loaded: dict[str, Any]) -> None:
    source = torch.optim.Adam([nn.Parameter(torch.ones(50))], lr=0.01, **loaded)
    stepped(source)
    ours, theirs = made(), made()
    for optimizer in (ours, theirs):
        optimizer.load_state_dict(copy.deepcopy(source.state_dict()))
    assert torch.equal(stepped(attach_kernel(AdamKernel(), ours)), stepped(theirs))


def test_a_state_of_another_size_raises_the_references_error() -> None:
    source, ours = made(4, fused=False), made(1000, fused=False)
    stepped(source)
    ours.load_state_dict(copy.deepcopy(source.state_dict()))
    with pytest.raises(RuntimeError, match="size"):
        stepped(attach_kernel(AdamKernel(), ours))


def test_mean_with_beta_zero_is_the_gradient() -> None:
    ours = attach_kernel(AdamKernel(), made(betas=(0.0, 0.999)))
    (parameter,) = ours.param_groups[0]["params"]
    for size in (1.0, 1e4, 1e-4):
        parameter.grad = torch.full((50,), size)
        ours.step()
    torch.testing.assert_close(ours.state[parameter]["exp_avg"], torch.full((50,), 1e-4))


def test_clipping_without_gradients_and_with_non_finite_ones() -> None:
    left: list[Any] = []
    ours = attach_kernel(record_refusals(ClipKernel(), left), made())
    ours.clip(1.0)
    (parameter,) = ours.param_groups[0]["params"]
    parameter.grad = torch.ones(50)
    parameter.grad[7] = torch.inf
    ours.clip(1.0)
    assert parameter.grad[7].isnan()
    assert parameter.grad[0] == 0
    assert not left
