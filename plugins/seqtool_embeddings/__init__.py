"""Embeddings."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The embeddings of this package."""
    yield Component("embedding", "one_hot", "seqtool_embeddings.one_hot:OneHot", "a one where the symbol is")
    yield Component("embedding", "learned", "seqtool_embeddings.learned:Learned", "a learnt vector a symbol")
    yield Component(
        "embedding", "continuous", "seqtool_embeddings.continuous:ContinuousEmbedding", "numbers as they are"
    )
