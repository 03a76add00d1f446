"""seqtool: sequence-to-sequence models with attention, every part a plugin, every experiment one recipe."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "Attention": "seqtool.nn.attention",
    "load": "seqtool.inference.loading",
    "load_recipe": "seqtool.recipe",
    "make": "seqtool.build.assembly",
    "run": "seqtool.experiment",
    "verify": "seqtool.verification.verify",
}
__all__ = ["Attention", "__version__", "load", "load_recipe", "make", "run", "verify"]

if TYPE_CHECKING:
    from seqtool.build.assembly import make
    from seqtool.experiment import run
    from seqtool.inference.loading import load
    from seqtool.nn.attention import Attention
    from seqtool.recipe import load_recipe
    from seqtool.verification.verify import verify


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'seqtool' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
