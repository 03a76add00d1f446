"""Losses, metrics, optimizers and schedules."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)
COMPONENTS = {
    "loss": (
        ("cross_entropy", "losses:CrossEntropy", "-log p of the gold symbol"),
        ("mse", "losses:MSE", "mean squared error of continuous targets"),
        ("coverage", "attention_losses:Coverage", "penalizes attending to a position repeatedly"),
        ("guided_attention", "attention_losses:GuidedAttention", "penalizes attention far from the diagonal"),
        (
            "supervised_attention",
            "attention_losses:SupervisedAttention",
            "cross-entropy of the weights with the gold alignment",
        ),
        ("sum", "losses:Sum", "weighted sum of losses"),
    ),
    "metric": (
        ("token_accuracy", "metrics:TokenAccuracy", "correct symbols under teacher forcing"),
        ("decoded_token_accuracy", "metrics:DecodedTokenAccuracy", "correct symbols in decoded output"),
        ("sequence_accuracy", "metrics:SequenceAccuracy", "correct sequences in decoded output"),
        ("alignment_error_rate", "alignment_metrics:AlignmentErrorRate", "1 - F1 of the largest weights' links (AER)"),
        ("alignment_f1", "alignment_metrics:AlignmentF1", "F1 of the largest weights' links"),
        ("alignment_exact", "alignment_metrics:AlignmentExact", "largest weights on the gold position"),
        ("alignment_near", "alignment_metrics:AlignmentNear", "largest weights within 3 positions of gold"),
        (
            "alignment_nearest",
            "alignment_metrics:AlignmentNearest",
            "largest weights nearest to their own gold position",
        ),
        ("attention_entropy", "attention_metrics:AttentionEntropy", "entropy of the weights, in nats"),
        (
            "attention_normalized_entropy",
            "attention_metrics:AttentionNormalizedEntropy",
            "entropy of the weights, from 0 to 1",
        ),
        ("attention_sharpness", "attention_metrics:AttentionSharpness", "the largest weight"),
        (
            "attention_monotonicity",
            "attention_metrics:AttentionMonotonicity",
            "steps whose largest weight does not move back",
        ),
        ("attention_coverage", "attention_metrics:AttentionCoverage", "fraction of the source attended to"),
        ("within", "metrics:Within", "decoded values within a tolerance"),
    ),
    "optimizer": (
        ("adam", "optimizers:Adam", "adaptive moments"),
        ("adamw", "optimizers:AdamW", "adam with decoupled weight decay"),
        ("sgd", "optimizers:SGD", "stochastic gradient descent"),
    ),
    "schedule": (
        ("linear", "schedules:Linear", "linear warmup, then linear decay"),
        ("cosine", "schedules:Cosine", "linear warmup, then cosine decay"),
        ("inverse_sqrt", "schedules:InverseSqrt", "linear warmup, then 1 / sqrt(step)"),
        ("exponential", "schedules:Exponential", "exponential decay"),
        ("inverse_sigmoid", "schedules:InverseSigmoid", "inverse sigmoid decay (Bengio)"),
        ("constant", "schedules:Constant", "constant factor"),
    ),
}
"""For each kind: name, class in this package, summary."""


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The losses, metrics, optimizers and schedules of this package."""
    for kind, parts in COMPONENTS.items():
        for name, target, summary in parts:
            yield Component(kind, name, f"seqtool_training.{target}", summary)
