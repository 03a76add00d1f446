"""Losses, metrics, optimizers and schedules."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The losses, metrics, optimizers and schedules of this package."""
    yield Component("loss", "cross_entropy", "seqtool_training.losses:CrossEntropy", "-log p of the gold symbol")
    yield Component("loss", "mse", "seqtool_training.losses:MSE", "squared errors of values")
    yield Component("loss", "coverage", "seqtool_training.attention_losses:Coverage", "looking twice costs")
    yield Component(
        "loss", "guided_attention", "seqtool_training.attention_losses:GuidedAttention", "leaving the diagonal costs"
    )
    yield Component(
        "loss", "supervised_attention", "seqtool_training.attention_losses:SupervisedAttention", "missing gold costs"
    )
    yield Component("loss", "sum", "seqtool_training.losses:Sum", "several losses, each times a factor")
    yield Component(
        "metric", "token_accuracy", "seqtool_training.metrics:TokenAccuracy", "right symbols, teacher-forced"
    )
    yield Component(
        "metric",
        "decoded_token_accuracy",
        "seqtool_training.metrics:DecodedTokenAccuracy",
        "right symbols, free-running",
    )
    yield Component(
        "metric",
        "sequence_accuracy",
        "seqtool_training.metrics:SequenceAccuracy",
        "wholly right sequences, free-running",
    )
    yield Component(
        "metric",
        "alignment_error_rate",
        "seqtool_training.alignment_metrics:AlignmentErrorRate",
        "1 - F1 of the largest weights' links (AER)",
    )
    yield Component(
        "metric", "alignment_f1", "seqtool_training.alignment_metrics:AlignmentF1", "F1 of the largest weights' links"
    )
    yield Component(
        "metric",
        "alignment_exact",
        "seqtool_training.alignment_metrics:AlignmentExact",
        "largest weights on the gold place",
    )
    yield Component(
        "metric",
        "alignment_near",
        "seqtool_training.alignment_metrics:AlignmentNear",
        "largest weights within 3 places of gold",
    )
    yield Component(
        "metric",
        "alignment_nearest",
        "seqtool_training.alignment_metrics:AlignmentNearest",
        "largest weights nearest to their own gold place",
    )
    yield Component(
        "metric",
        "attention_entropy",
        "seqtool_training.attention_metrics:AttentionEntropy",
        "spread of the weights, in nats",
    )
    yield Component(
        "metric",
        "attention_normalized_entropy",
        "seqtool_training.attention_metrics:AttentionNormalizedEntropy",
        "spread of the weights, 0 to 1",
    )
    yield Component(
        "metric", "attention_sharpness", "seqtool_training.attention_metrics:AttentionSharpness", "the largest weight"
    )
    yield Component(
        "metric",
        "attention_monotonicity",
        "seqtool_training.attention_metrics:AttentionMonotonicity",
        "steps that do not look back",
    )
    yield Component(
        "metric",
        "attention_coverage",
        "seqtool_training.attention_metrics:AttentionCoverage",
        "share of the source that was looked at",
    )
    yield Component("metric", "within", "seqtool_training.metrics:Within", "values near enough, free-running")
    yield Component("optimizer", "adam", "seqtool_training.optimizers:Adam", "adaptive moments")
    yield Component("optimizer", "adamw", "seqtool_training.optimizers:AdamW", "adam with decoupled weight decay")
    yield Component("optimizer", "sgd", "seqtool_training.optimizers:SGD", "stochastic gradient descent")
    yield Component("schedule", "linear", "seqtool_training.schedules:Linear", "up, then down along a line")
    yield Component("schedule", "cosine", "seqtool_training.schedules:Cosine", "up, then down along a cosine")
    yield Component("schedule", "inverse_sqrt", "seqtool_training.schedules:InverseSqrt", "up, then as 1 / sqrt(step)")
    yield Component("schedule", "exponential", "seqtool_training.schedules:Exponential", "a factor every so many steps")
    yield Component(
        "schedule", "inverse_sigmoid", "seqtool_training.schedules:InverseSigmoid", "down along a sigmoid (Bengio)"
    )
    yield Component("schedule", "constant", "seqtool_training.schedules:Constant", "the same at every step")
