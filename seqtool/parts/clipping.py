"""Optimizers that clip gradients."""

import torch

from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated


class ClippingOptimizer(torch.optim.Optimizer):
    """An optimizer with gradient clipping that a kernel can compute. For other optimizers, Lightning clips."""

    kernels: Kernels = NO_KERNELS

    @accelerated
    def clip(self, limit: float) -> None:
        """Clip the norm of all gradients together to `limit` (Pascanu et al. 2013, arXiv 1211.5063, algorithm 1)."""
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, limit)
