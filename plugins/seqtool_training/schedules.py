"""Schedules of the learning rate, or of the probability of teacher forcing, as functions of the step."""

import math

from seqtool.api import Count, NonNegative, Probability, Schedule, Size


def warmup(step: int, warmup_steps: int) -> float:
    """Linear warmup: 1/n, 2/n, ..., 1 over the first n = `warmup_steps` steps, then 1."""
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


class Decay(Schedule):
    """Linear warmup over `warmup_steps`, then decay from 1 to `end` over the remaining steps."""

    def __init__(self, steps: int, warmup_steps: Count, end: Probability) -> None:
        self.steps, self.warmup_steps, self.end = steps, warmup_steps, end

    def remaining(self, done: float) -> float:
        """The remaining part of the decay, from 1 to 0, after the fraction `done` of its steps, from 0 to 1."""
        raise NotImplementedError

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        remaining = self.remaining(min(1.0, max(0.0, done)))
        return warmup(step, self.warmup_steps) * (self.end + (1 - self.end) * remaining)


class Linear(Decay):
    """Linear warmup, then linear decay.

    Equation:
        factor = min(1, n / warmup_steps) (1 - (1 - end) done),  n = step + 1
        done = (step - warmup_steps) / (steps - warmup_steps), clipped to [0, 1]

    Source: Devlin et al. 2019, arXiv 1810.04805, A.2.

    When to use: runs of known length; with `warmup_steps` for large learning rates. As the probability of teacher
    forcing this is Bengio's linear decay.

    Args:
        steps: number of training steps.
        warmup_steps: number of steps of the warmup from 0 to 1.
        end: the factor after the last step.
    """

    def __init__(self, steps: int, *, warmup_steps: Count = 0, end: Probability = 0.0) -> None:
        super().__init__(steps, warmup_steps, end)

    def remaining(self, done: float) -> float:
        """See `Decay.remaining`."""
        return 1 - done


class Cosine(Decay):
    """Linear warmup, then cosine decay.

    Equation:
        factor = min(1, n / warmup_steps) (end + (1 - end) (1 + cos(pi done)) / 2),  n = step + 1
        done = (step - warmup_steps) / (steps - warmup_steps), clipped to [0, 1]

    Source: Loshchilov & Hutter 2017, arXiv 1608.03983, eq. 5, without restarts.

    When to use: runs of known length. The small learning rates at the end often improve the result.

    Args:
        steps: number of training steps.
        warmup_steps: number of steps of the warmup from 0 to 1.
        end: the factor after the last step.
    """

    def __init__(self, steps: int, *, warmup_steps: Count = 0, end: Probability = 0.0) -> None:
        super().__init__(steps, warmup_steps, end)

    def remaining(self, done: float) -> float:
        """See `Decay.remaining`."""
        return (1 + math.cos(math.pi * done)) / 2


class InverseSqrt(Schedule):
    """Linear warmup, then decay with the inverse square root of the step.

    Equation:
        factor = min(n / warmup_steps, sqrt(warmup_steps / n)),  n = step + 1

    Source: Vaswani et al. 2017, arXiv 1706.03762, eq. 3, scaled to reach 1.

    When to use: transformers, and runs of unknown length.

    Args:
        steps: number of training steps; not used.
        warmup_steps: the step with factor 1.
    """

    def __init__(self, steps: int, *, warmup_steps: Size) -> None:
        self.warmup_steps = warmup_steps

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        n = step + 1
        return min(n / self.warmup_steps, math.sqrt(self.warmup_steps / n))


class Exponential(Schedule):
    """Exponential decay.

    Equation:
        factor = gamma ^ (step / every)

    Source: the usual definition; for scheduled sampling Bengio et al. 2015, arXiv 1506.03099, section 2.4.

    When to use: to reproduce older papers. As the probability of teacher forcing this is Bengio's exponential decay.

    Args:
        steps: number of training steps; not used.
        gamma: the decay factor for every `every` steps, at most 1.
        every: number of steps.
    """

    def __init__(self, steps: int, *, gamma: Probability, every: Size = 1) -> None:
        self.gamma, self.every = gamma, every

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        return float(self.gamma ** (step / self.every))


class InverseSigmoid(Schedule):
    """Inverse sigmoid decay from nearly 1 to 0.

    Equation:
        factor = k / (k + exp(step / k))

    Source: Bengio et al. 2015, arXiv 1506.03099, section 2.4, for the probability of teacher forcing.

    When to use: `train.scheduled_sampling`, if teacher forcing should end late and gradually.

    Args:
        steps: number of training steps; not used.
        k: larger values decay later and more slowly; the factor is 1/2 at step k log k.
    """

    def __init__(self, steps: int, *, k: Size) -> None:
        self.k = k

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        odds = self.k * math.exp(-step / self.k)
        return odds / (odds + 1)


class Constant(Schedule):
    """A constant factor.

    Equation:
        factor = value

    Source: the usual definition.

    When to use: `train.scheduled_sampling` with a fixed fraction of gold symbols. A constant learning rate needs no
    schedule.

    Args:
        steps: number of training steps; not used.
        value: the factor.
    """

    def __init__(self, steps: int, *, value: NonNegative) -> None:
        self.value = value

    def factor(self, step: int) -> float:
        """See `Schedule.factor`."""
        return float(self.value)
