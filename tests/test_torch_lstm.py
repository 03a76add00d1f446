"""The LSTM over a whole sequence in mixed precision, on any processor."""

import pytest
import torch

from seqtool.api import torch_lstm
from seqtool.nn import torch_lstm as module


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("lacking", [True, False])
def test_lstm_trains_under_autocast(dtype: torch.dtype, lacking: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if lacking:
        monkeypatch.setattr(module, "lstm_needs_float32", lambda dtype: True)
    generator = torch.Generator().manual_seed(0)
    shapes = [(12, 5), (12, 3), (12,), (12,)]
    weights = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    x, zeros = torch.randn(2, 7, 5, generator=generator), torch.zeros(2, 3)
    exact = torch_lstm(x, (zeros, zeros), weights)
    wanted = torch.autograd.grad(exact[0].sum(), weights)
    with torch.autocast("cpu", dtype=dtype):
        found = torch_lstm(x, (zeros, zeros), weights)
    gradients = torch.autograd.grad(found[0].float().sum(), weights)
    for one, other in zip((*exact, *wanted), (*found, *gradients), strict=True):
        torch.testing.assert_close(one, other.float(), rtol=0, atol=0.05 * float(one.detach().abs().max()))
    if lacking:
        assert found[0].dtype == torch.float32


def test_gradients_in_evaluation_mode() -> None:
    x = torch.ones(1, 2, 1, requires_grad=True)
    weights = [torch.ones(4, 1), torch.ones(4, 1), torch.zeros(4), torch.zeros(4)]
    outputs, h, c = torch_lstm(x, (torch.zeros(1, 1), torch.zeros(1, 1)), weights)
    assert torch.equal(outputs[:, -1], h)
    assert c.shape == (1, 1)
    (gradient,) = torch.autograd.grad(h.sum(), x)
    assert gradient.abs().min() > 0
