"""The contract of a metric: sums that add up over batches and ranks."""

from typing import Literal

from torch import Tensor

from seqtool.parts.batch import Batch


class Metric:
    """Takes `(*, ...)`.

    Attributes:
        predictions: "teacher_forced" for the argmax of the logits of a teacher-forced pass,
            "decoded" for what free-running search writes.
        requires: what must be there, see `REQUIREMENTS`: "symbols" or "continuous" targets, or neither for both;
            attention "weights"; a gold "alignment". A recipe that names the metric without it is refused. For one that
            requires "weights" `weight_sums` is called, never `sums`, and `predictions` is "teacher_forced".
        default: whether it is measured in every training that names no metrics and has what it requires.
        higher_is_better: which way the best checkpoint and early stopping look.
    """

    kind = "metric"
    predictions: Literal["teacher_forced", "decoded"] = "decoded"
    requires: frozenset[str] = frozenset({"symbols"})
    default: bool = False
    higher_is_better: bool = True

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        """`predicted [B, T]` ids, -1 where nothing was written -> `[2]` float64: what was right, out of how many.

        For continuous targets `predicted` is `[B, T, F]`, NaN where nothing was written. Called on the CPU.
        """
        raise NotImplementedError

    def weight_sums(self, weights: Tensor, memory_mask: Tensor, batch: Batch) -> Tensor:
        """`weights [B, N, T, M]` of a teacher-forced pass, `memory_mask [B, M]` -> `[B, 2]` float64, a row an example.

        What was right, out of how many; `(0, 0)` for an example that tells nothing. Validation calls it on the CPU.
        """
        raise NotImplementedError

    def compute(self, sums: Tensor) -> float:
        """The metric from summed sums."""
        right, total = sums.tolist()
        return float(right / total) if total else float("nan")
