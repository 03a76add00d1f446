"""What a plugin yields: one named part."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """One part that a plugin offers.

    `kind` is one of `seqtool.registry.kinds.KINDS`; `target` is the class, or `"package.module:Class"`, imported when
    first used, so that listing parts needs no torch. `summary` is one line for `seqtool list`; empty for a class
    means the first line of its docstring.
    """

    kind: str
    name: str
    target: type | str
    summary: str = ""
