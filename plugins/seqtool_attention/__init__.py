"""Scorers and normalizers."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The scorers and normalizers of this package."""
    yield Component("scorer", "additive", "seqtool_attention.additive:Additive", "v . tanh(W s + U h)")
    yield Component("scorer", "concat", "seqtool_attention.concat:Concat", "v . tanh(W [s; h])")
    yield Component("scorer", "dot", "seqtool_attention.dot:Dot", "s . h")
    yield Component("scorer", "scaled_dot", "seqtool_attention.scaled_dot:ScaledDot", "s . h / sqrt(d)")
    yield Component("scorer", "general", "seqtool_attention.general:General", "s . W h")
    yield Component("scorer", "cosine", "seqtool_attention.cosine:Cosine", "g cos(s, h)")
    yield Component("scorer", "location", "seqtool_attention.location:Location", "W s, one score per position")
    yield Component(
        "scorer",
        "location_aware",
        "seqtool_attention.location_aware:LocationAware",
        "additive, with the last step's weights",
    )
    yield Component(
        "scorer", "coverage", "seqtool_attention.coverage:Coverage", "additive, with the sum of all earlier weights"
    )
    yield Component("scorer", "gmm", "seqtool_attention.gmm:GMM", "a mixture of Gaussians that moves forward")
    yield Component(
        "scorer",
        "dynamic_convolution",
        "seqtool_attention.dynamic_convolution:DynamicConvolution",
        "static and query-dependent filters over the last weights",
    )
    yield Component("scorer", "dense", "seqtool_attention.dense:Dense", "b, one learnt score per position")
    yield Component("scorer", "feed_forward", "seqtool_attention.feed_forward:FeedForward", "tanh(w . h + b)")
    yield Component("normalizer", "softmax", "seqtool_attention.softmax:Softmax", "exp(e) / sum exp(e)")
    yield Component("normalizer", "sparsemax", "seqtool_attention.sparsemax:Sparsemax", "max(e - tau, 0)")
    yield Component("normalizer", "entmax15", "seqtool_attention.entmax15:Entmax15", "max(e / 2 - tau, 0)^2")
    yield Component("normalizer", "exp", "seqtool_attention.exp:Exp", "exp(e), not normalised")
    yield Component(
        "normalizer", "sigmoid", "seqtool_attention.sigmoid:Sigmoid", "sigma(e), each position independently"
    )
    yield Component(
        "normalizer", "local_m", "seqtool_attention.local_m:LocalM", "softmax in a window centred on the step's index"
    )
    yield Component(
        "normalizer",
        "local_p",
        "seqtool_attention.local_p:LocalP",
        "softmax in a window centred on a predicted position",
    )
    yield Component(
        "normalizer", "monotonic", "seqtool_attention.monotonic:Monotonic", "starts where the last step stopped"
    )
    yield Component("normalizer", "mocha", "seqtool_attention.mocha:MoChA", "monotonic, then a softmax over a chunk")
    yield Component(
        "normalizer",
        "stepwise_monotonic",
        "seqtool_attention.stepwise_monotonic:StepwiseMonotonic",
        "stays or moves by one position",
    )
    yield Component(
        "normalizer",
        "forward",
        "seqtool_attention.forward:Forward",
        "softmax over alignments that stay or move by one position",
    )
