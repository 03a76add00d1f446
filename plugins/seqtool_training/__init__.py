"""Losses, metrics, optimizers and schedules."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)
COMPONENTS = {
    "loss": (
        ("cross_entropy", "losses:CrossEntropy", "-log p of the gold symbol"),
        ("mse", "losses:MSE", "squared errors of values"),
        ("coverage", "attention_losses:Coverage", "looking twice costs"),
        ("guided_attention", "attention_losses:GuidedAttention", "leaving the diagonal costs"),
        ("supervised_attention", "attention_losses:SupervisedAttention", "missing gold costs"),
        ("sum", "losses:Sum", "several losses, each times a factor"),
    ),
    "metric": (
        ("token_accuracy", "metrics:TokenAccuracy", "right symbols, teacher-forced"),
        ("decoded_token_accuracy", "metrics:DecodedTokenAccuracy", "right symbols, free-running"),
        ("sequence_accuracy", "metrics:SequenceAccuracy", "wholly right sequences, free-running"),
        ("alignment_error_rate", "alignment_metrics:AlignmentErrorRate", "1 - F1 of the largest weights' links (AER)"),
        ("alignment_f1", "alignment_metrics:AlignmentF1", "F1 of the largest weights' links"),
        ("alignment_exact", "alignment_metrics:AlignmentExact", "largest weights on the gold place"),
        ("alignment_near", "alignment_metrics:AlignmentNear", "largest weights within 3 places of gold"),
        ("alignment_nearest", "alignment_metrics:AlignmentNearest", "largest weights nearest to their own gold place"),
        ("attention_entropy", "attention_metrics:AttentionEntropy", "spread of the weights, in nats"),
        (
            "attention_normalized_entropy",
            "attention_metrics:AttentionNormalizedEntropy",
            "spread of the weights, 0 to 1",
        ),
        ("attention_sharpness", "attention_metrics:AttentionSharpness", "the largest weight"),
        ("attention_monotonicity", "attention_metrics:AttentionMonotonicity", "steps that do not look back"),
        ("attention_coverage", "attention_metrics:AttentionCoverage", "share of the source that was looked at"),
        ("within", "metrics:Within", "values near enough, free-running"),
    ),
    "optimizer": (
        ("adam", "optimizers:Adam", "adaptive moments"),
        ("adamw", "optimizers:AdamW", "adam with decoupled weight decay"),
        ("sgd", "optimizers:SGD", "stochastic gradient descent"),
    ),
    "schedule": (
        ("linear", "schedules:Linear", "up, then down along a line"),
        ("cosine", "schedules:Cosine", "up, then down along a cosine"),
        ("inverse_sqrt", "schedules:InverseSqrt", "up, then as 1 / sqrt(step)"),
        ("exponential", "schedules:Exponential", "a factor every so many steps"),
        ("inverse_sigmoid", "schedules:InverseSigmoid", "down along a sigmoid (Bengio)"),
        ("constant", "schedules:Constant", "the same at every step"),
    ),
}
"""By kind: the name, where in this package its class is, and what it does."""


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The losses, metrics, optimizers and schedules of this package."""
    for kind, parts in COMPONENTS.items():
        for name, target, summary in parts:
            yield Component(kind, name, f"seqtool_training.{target}", summary)
