"""The contract of an optimizer."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from seqtool.testing.contract import Contract, rule
from seqtool.testing.differences import Outputs


class OptimizerContract(Contract):
    """`build(params)` returns the optimizer."""

    kind = "optimizer"

    def part(self, dtype: torch.dtype = torch.float64, seed: int = 0) -> Any:
        """An optimizer of two parameters, and a third that never gets a gradient."""
        torch.manual_seed(seed)
        parameters = [nn.Parameter(torch.randn(size, dtype=torch.float32)) for size in (3, 5, 7)]
        optimizer = self.build(iter(parameters))
        self.name = self.name or type(optimizer).__name__
        return optimizer

    def exercise(self, part: Any) -> Outputs:
        """See `Contract.exercise`; a new optimizer, because steps change it."""
        optimizer = self.part()
        self._train(optimizer, 3)
        return {f"parameters[{i}]": p.detach().clone() for i, p in enumerate(self._parameters(optimizer))}

    @staticmethod
    def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
        return [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def _train(self, optimizer: torch.optim.Optimizer, steps: int) -> None:
        first, second, _ = self._parameters(optimizer)
        for _ in range(steps):
            optimizer.zero_grad()
            ((first**2).sum() + (second**2).sum()).backward()
            optimizer.step()

    @rule
    def is_torch_optimizer(self) -> None:
        """It is a `torch.optim.Optimizer` with a learning rate in each group."""
        optimizer = self.part()
        self.expect(isinstance(optimizer, torch.optim.Optimizer), "is not a torch.optim.Optimizer")
        self.expect(all("lr" in group for group in optimizer.param_groups), "its groups have no lr")

    @rule
    def lowers_loss(self) -> None:
        """Steps reduce a loss; a parameter without a gradient does not change."""
        optimizer = self.part()
        before = [parameter.detach().clone() for parameter in self._parameters(optimizer)]
        self._train(optimizer, 5)
        *moved, still = self._parameters(optimizer)
        for i, parameter in enumerate(moved):
            lower = bool(parameter.detach().norm() < before[i].norm())
            self.expect(lower, f"five steps do not reduce the loss of parameter {i}")
        self.expect(torch.equal(still, before[2]), "a parameter without a gradient changes")

    @rule
    def resumes(self) -> None:
        """`state_dict` contains the whole state: training after loading is bit-identical."""
        whole, resumed = self.part(), self.part()
        self._train(whole, 3)
        with torch.no_grad():
            for ours, theirs in zip(self._parameters(resumed), self._parameters(whole), strict=True):
                ours.copy_(theirs)
        resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
        for optimizer in (whole, resumed):
            self._train(optimizer, 2)
        for i, (ours, theirs) in enumerate(zip(self._parameters(resumed), self._parameters(whole), strict=True)):
            self.expect(torch.equal(ours, theirs), f"parameter {i} differs in training after loading a state_dict")


def check_optimizer(build: Callable[..., torch.optim.Optimizer], *, name: str = "") -> None:
    """Check an optimizer against its contract. `build(params)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    OptimizerContract(build, name=name).check()
