"""Embeddings."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The embeddings of this package."""
    yield Component("embedding", "one_hot", "seqtool_embeddings.one_hot:OneHot", "one-hot vectors")
    yield Component("embedding", "learned", "seqtool_embeddings.learned:Learned", "a learnt vector for each symbol")
    yield Component(
        "embedding", "continuous", "seqtool_embeddings.continuous:ContinuousEmbedding", "continuous values, unchanged"
    )
