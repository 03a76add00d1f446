"""A component: one named part, as a plugin yields it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """A part of a plugin.

    `kind` is one of `seqtool.registry.kinds.KINDS`. `target` is the class, or `"package.module:Class"`, which is
    imported when it is first used, so listing parts does not import torch. `summary` is one line for `seqtool list`;
    if it is empty and `target` is a class, the first line of the docstring.
    """

    kind: str
    name: str
    target: type | str
    summary: str = ""
