"""The contract of a learning-rate schedule."""


class Schedule:
    """Takes `(steps, *, ...)`, where `steps` is the number of training steps."""

    kind = "schedule"

    def factor(self, step: int) -> float:
        """The factor on the learning rate at `step`, counted from 0. A pure function."""
        raise NotImplementedError
