"""The contract of a learning-rate schedule."""


class Schedule:
    """Takes `(steps, *, ...)`, `steps` being how many the run will take."""

    kind = "schedule"

    def factor(self, step: int) -> float:
        """What to multiply the learning rate with at `step`, which counts from 0. A pure function."""
        raise NotImplementedError
