"""The contract of a schedule."""

import math
from collections.abc import Callable
from typing import Any

import torch

from seqtool.parts.schedule import Schedule
from seqtool.testing.contract import Contract, rule
from seqtool.testing.differences import Outputs

STEPS = 37


class ScheduleContract(Contract):
    """`build(steps)` returns the schedule."""

    kind = "schedule"
    all_sizes = ((STEPS,),)

    def exercise(self, part: Any) -> Outputs:
        """See `Contract.exercise`."""
        return {"factors": torch.tensor([part.factor(step) for step in range(2 * STEPS)], dtype=torch.float64)}

    @rule
    def valid_factors(self) -> None:
        """The factor of every step, also after the last, is a finite float of at least 0; not all are 0."""
        part = self.part()
        factors = [part.factor(step) for step in range(2 * STEPS)]
        for step, factor in enumerate(factors):
            right = isinstance(factor, float) and math.isfinite(factor) and factor >= 0
            self.expect(right, f"the factor at step {step} of {STEPS} is {factor!r}, not a finite float >= 0")
        self.expect(any(factors[:STEPS]), f"all {STEPS} factors are 0")

    @rule
    def any_order(self) -> None:
        """A factor depends only on the step, not on earlier calls."""
        part = self.part()
        forwards = [part.factor(step) for step in range(STEPS)]
        backwards = [part.factor(step) for step in reversed(range(STEPS))][::-1]
        wrong = [step for step in range(STEPS) if forwards[step] != backwards[step]]
        self.expect(not wrong, f"the factor at step {wrong[:1]} depends on earlier calls")

    @rule
    def one_step(self) -> None:
        """A run of one step has a factor."""
        self.part()
        if self.all_sizes == ((STEPS,),):
            factor = self.build(1).factor(0)
            self.expect(math.isfinite(factor) and factor >= 0, f"the factor of a run of one step is {factor!r}")


def check_schedule(build: Callable[..., Schedule], *, name: str = "", sizes: tuple[int] | None = None) -> None:
    """Check a schedule against its contract. `build(steps)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    ScheduleContract(build, name=name, sizes=sizes).check()
