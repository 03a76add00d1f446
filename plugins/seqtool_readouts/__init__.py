"""Readouts."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The readouts of this package."""
    yield Component("readout", "linear", "seqtool_readouts.linear:LinearReadout", "one affine map")
