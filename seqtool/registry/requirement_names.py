"""The requirements that a part may declare in `requires`."""

from seqtool.errors import nearest_name

REQUIREMENTS: dict[str, str] = {
    "symbols": "ids on its side of the task: a `Vocabulary`",
    "continuous": "vectors of numbers on its side of the task: `Continuous`",
    "weights": "attention weights: a decoder with attention",
    "alignment": "gold alignments: a task with `has_alignment`",
    "copy_map": "a task that declares the target id of each source symbol: `Task.copy_map`",
    "complete_copy_map": "a `copy_map` in which every target symbol occurs",
}
"""Each name, and what meets it. A part that requires neither "symbols" nor "continuous" accepts both."""


def requirement_problem(part: object) -> str:
    """What is wrong with `requires` of a part or of its class; empty if it is valid."""
    requires: object = getattr(part, "requires", frozenset())
    if not isinstance(requires, frozenset):
        return f"requires is {requires!r}, not a frozenset of names such as frozenset({{'weights'}})"
    for name in sorted(requires - REQUIREMENTS.keys(), key=str):
        nearest = nearest_name(str(name), REQUIREMENTS)
        hint = f"did you mean {nearest!r}?" if nearest else f"the requirements are {', '.join(REQUIREMENTS)}"
        return f"requires the unknown {name!r} ({hint})"
    if {"symbols", "continuous"} <= requires and isinstance(part, type):
        return "requires both symbols and continuous values; to accept both, require neither"
    return ""
