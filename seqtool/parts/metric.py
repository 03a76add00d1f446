"""The contract of a metric: sums that add up over batches and ranks."""

from typing import Literal

from torch import Tensor

from seqtool.parts.batch import Batch
from seqtool.parts.vocabulary import Form


class Metric:
    """Takes `(*, ...)`.

    Attributes:
        predictions: "teacher_forced" for the argmax of the logits of a teacher-forced pass,
            "decoded" for what free-running search writes.
        needs_weights: whether it looks at the weights of an attention; `weight_sums` is asked then, and `sums` never.
            A decoder without attention is refused. `predictions` is "teacher_forced", for such are the weights.
        higher_is_better: which way the best checkpoint and early stopping look.
        forms: which targets it can judge: "symbols", "values", or both; tasks with others are refused.
    """

    kind = "metric"
    predictions: Literal["teacher_forced", "decoded"] = "decoded"
    needs_weights: bool = False
    higher_is_better: bool = True
    forms: tuple[Form, ...] = ("symbols",)

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        """`predicted [B, T]` ids, -1 where nothing was written -> `[2]` float64: what was right, out of how many.

        For targets of values `predicted` is `[B, T, F]`, NaN where nothing was written. Validation calls it on the CPU.
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
