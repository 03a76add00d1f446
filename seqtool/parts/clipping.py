"""Optimizers that clip the gradients of what they move."""

import torch

from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated


class ClippingOptimizer(torch.optim.Optimizer):
    """An optimizer that clips its gradients itself, where a kernel may do so; for others, Lightning clips."""

    kernels: Kernels = NO_KERNELS

    @accelerated
    def clip(self, limit: float) -> None:
        """Make all gradients together no longer than `limit`: Pascanu et al. 2013, arXiv 1211.5063, algorithm 1."""
        moved = [parameter for group in self.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(moved, limit)
