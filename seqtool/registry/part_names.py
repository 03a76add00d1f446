"""Canonical names of parts, by which kernels name parts of other plugins."""

import functools
from typing import Any

from seqtool.registry.registry import find_installed


def part_name(part: Any) -> str:
    """`"cell/cells:lstm"` of a part that an installed plugin brings; empty for others, subclasses of parts included.

    The core's `Attention` and `Seq2Seq` are "attention" and "model".
    """
    return _name(part.__class__)


@functools.cache
def _name(cls: type) -> str:
    return find_installed().canonical_name_of(cls)
