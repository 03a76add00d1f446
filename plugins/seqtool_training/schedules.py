"""Schedules of the learning rate, or of teacher forcing: pure functions of the step."""

import math

from seqtool.api import Count, NonNegative, Probability, Schedule, Size


def warm(step: int, warmup_steps: int) -> float:
    """The rise over the first `warmup_steps`: 1/n, 2/n, ..., then 1."""
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


class Decay(Schedule):
    """A rise over `warmup_steps`, then a fall from 1 to `end` over the steps that are left."""

    def __init__(self, steps: int, warmup_steps: Count, end: Probability) -> None:
        self.steps, self.warmup_steps, self.end = steps, warmup_steps, end

    def shape(self, done: float) -> float:
        """How much of the fall is left, 1 .. 0, when `done` of it, 0 .. 1, has passed."""
        raise NotImplementedError

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        left = self.shape(min(1.0, max(0.0, done)))
        return warm(step, self.warmup_steps) * (self.end + (1 - self.end) * left)


class Linear(Decay):
    """Up over the first steps, then down along a line.

    Equation:
        factor = min(1, n / warmup_steps) (1 - (1 - end) done),  n = step + 1
        done = (step - warmup_steps) / (steps - warmup_steps), cut to 0 .. 1

    Source: Devlin et al. 2019, arXiv 1810.04805, A.2.

    When to use: a run of known length; with `warmup_steps` for large learning rates. As a probability of teacher
    forcing, Bengio's linear decay.

    Args:
        steps: how many the run takes.
        warmup_steps: how many rise from 0 to 1.
        end: the factor that it falls towards, reached after the last step.
    """

    def __init__(self, steps: int, *, warmup_steps: Count = 0, end: Probability = 0.0) -> None:
        super().__init__(steps, warmup_steps, end)

    def shape(self, done: float) -> float:
        """See `Decay.shape`."""
        return 1 - done


class Cosine(Decay):
    """Up over the first steps, then down along half a cosine.

    Equation:
        factor = min(1, n / warmup_steps) (end + (1 - end) (1 + cos(pi done)) / 2),  n = step + 1
        done = (step - warmup_steps) / (steps - warmup_steps), cut to 0 .. 1

    Source: Loshchilov & Hutter 2017, arXiv 1608.03983, eq. 5, without restarts.

    When to use: a run of known length; the last steps at tiny rates settle the weights.

    Args:
        steps: how many the run takes.
        warmup_steps: how many rise from 0 to 1.
        end: the factor that it falls towards, reached after the last step.
    """

    def __init__(self, steps: int, *, warmup_steps: Count = 0, end: Probability = 0.0) -> None:
        super().__init__(steps, warmup_steps, end)

    def shape(self, done: float) -> float:
        """See `Decay.shape`."""
        return (1 + math.cos(math.pi * done)) / 2


class InverseSqrt(Schedule):
    """Up over the first steps, then down as one over the square root of the step.

    Equation:
        factor = min(n / warmup_steps, sqrt(warmup_steps / n)),  n = step + 1

    Source: Vaswani et al. 2017, arXiv 1706.03762, eq. 3, scaled to reach 1.

    When to use: transformers, and runs whose length is not known before.

    Args:
        steps: how many the run takes; not looked at.
        warmup_steps: where the factor is 1.
    """

    def __init__(self, steps: int, *, warmup_steps: Size) -> None:
        self.warmup_steps = warmup_steps

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        n = step + 1
        return min(n / self.warmup_steps, math.sqrt(self.warmup_steps / n))


class Exponential(Schedule):
    """Down by a factor every so many steps.

    Equation:
        factor = gamma ^ (step / every)

    Source: the usual definition; for scheduled sampling Bengio et al. 2015, arXiv 1506.03099, section 2.4.

    When to use: to repeat older papers. As a probability of teacher forcing, Bengio's exponential decay.

    Args:
        steps: how many the run takes; not looked at.
        gamma: what the rate is multiplied with after `every` steps, at most 1.
        every: how many steps that takes.
    """

    def __init__(self, steps: int, *, gamma: Probability, every: Size = 1) -> None:
        self.gamma, self.every = gamma, every

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        return float(self.gamma ** (step / self.every))


class InverseSigmoid(Schedule):
    """Near 1 at first, then down to 0 along a sigmoid.

    Equation:
        factor = k / (k + exp(step / k))

    Source: Bengio et al. 2015, arXiv 1506.03099, section 2.4, for the probability of teacher forcing.

    When to use: `train.scheduled_sampling`, where the model should be left alone late and not suddenly.

    Args:
        steps: how many the run takes; not looked at.
        k: how slow the fall is; the factor is 1/2 at step k log k.
    """

    def __init__(self, steps: int, *, k: Size) -> None:
        self.k = k

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        left = self.k * math.exp(-step / self.k)
        return left / (left + 1)


class Constant(Schedule):
    """The same factor at every step.

    Equation:
        factor = value

    Source: the usual definition.

    When to use: `train.scheduled_sampling` with a fixed share of gold symbols; a constant learning rate needs none.

    Args:
        steps: how many the run takes; not looked at.
        value: the factor.
    """

    def __init__(self, steps: int, *, value: NonNegative) -> None:
        self.value = value

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        return float(self.value)
