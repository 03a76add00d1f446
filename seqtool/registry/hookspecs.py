"""The hooks that a plugin module may implement."""

from collections.abc import Iterable

import pluggy

from seqtool.registry.component import Component

PROJECT = "seqtool"
API_VERSION = (1, 0)

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def seqtool_components() -> Iterable[Component]:
    """The parts of this plugin: `yield Component("scorer", "cosine", "my_package.cosine:CosineScorer")`.

    Called once, at discovery. Name parts by string, so `seqtool list` imports neither them nor torch.
    """
    return ()
