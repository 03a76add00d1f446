"""Readouts."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The readouts of this package."""
    yield Component("readout", "linear", "seqtool_readouts.linear:LinearReadout", "one affine map")
    yield Component(
        "readout", "deep_output", "seqtool_readouts.deep_output:DeepOutput", "a maxout layer, then an affine map"
    )
    yield Component(
        "readout",
        "feed_forward",
        "seqtool_readouts.feed_forward:FeedForwardReadout",
        "a layer of leaky rectifiers, then an affine map",
    )
