"""Scorers and normalizers."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The scorers and normalizers of this package."""
    yield Component("scorer", "additive", "seqtool_attention.additive:Additive", "v . tanh(W s + U h)")
    yield Component("scorer", "dot", "seqtool_attention.dot:Dot", "s . h")
    yield Component("scorer", "scaled_dot", "seqtool_attention.scaled_dot:ScaledDot", "s . h / sqrt(d)")
    yield Component("scorer", "general", "seqtool_attention.general:General", "s . W h")
    yield Component("scorer", "gmm", "seqtool_attention.gmm:GMM", "a window of Gaussians that moves along")
    yield Component("normalizer", "softmax", "seqtool_attention.softmax:Softmax", "exp(e) / sum exp(e)")
    yield Component("normalizer", "exp", "seqtool_attention.exp:Exp", "exp(e), unnormalised")
