"""How torch's whole-sequence kernels are called."""

import torch
from torch import Tensor, nn


def keeps_for_gradients(cell: nn.Module, x: Tensor) -> bool:
    """What torch's recurrent kernels take as `train`. cuDNN takes gradients of nothing else, in evaluation mode too."""
    return cell.training or (x.is_cuda and torch.is_grad_enabled())
