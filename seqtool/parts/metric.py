"""The contract of a metric: sums that are added over batches and ranks."""

from typing import Literal

from torch import Tensor

from seqtool.parts.batch import Batch


class Metric:
    """Takes `(*, ...)`.

    Attributes:
        predictions: "teacher_forced" measures the argmax of the logits of a teacher-forced pass, "decoded" the output
            of the search.
        requires: see `REQUIREMENTS`: "symbols" or "continuous" targets, neither for both; attention "weights"; a gold
            "alignment". A recipe that names the metric and does not meet its requirements is refused. A metric that
            requires "weights" defines `weight_sums` instead of `sums`, and its `predictions` are "teacher_forced".
        default: whether it is measured by recipes that name no metrics and meet its requirements.
        higher_is_better: the direction of improvement for the best checkpoint and early stopping.
    """

    kind = "metric"
    predictions: Literal["teacher_forced", "decoded"] = "decoded"
    requires: frozenset[str] = frozenset({"symbols"})
    default: bool = False
    higher_is_better: bool = True

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        """`predicted [B, T]` ids, -1 for no output and for the unknown symbol -> `[2]` float64: number correct, total.

        If the task accepts several targets of a source, `batch` has those to compare with: the nearest to a decoded
        prediction; under teacher forcing the gold target, with each predicted symbol that continues another one.
        For continuous targets `predicted` is `[B, T, F]`, NaN where there is no output. Called on the CPU.
        """
        raise NotImplementedError

    def weight_sums(self, weights: Tensor, memory_mask: Tensor, batch: Batch) -> Tensor:
        """`weights [B, N, T, M]` of a teacher-forced pass, `memory_mask [B, M]` -> `[B, 2]` float64.

        For each example the number correct and the total; `(0, 0)` excludes an example. Validation calls it on the CPU.
        """
        raise NotImplementedError

    def compute(self, sums: Tensor) -> float:
        """The value of the metric from the sums of all batches."""
        correct, total = sums.tolist()
        return float(correct / total) if total else float("nan")
