"""What a part may require of its surroundings: the only names that `requires` may hold."""

from seqtool.errors import nearest_name

REQUIREMENTS: dict[str, str] = {
    "symbols": "ids on its side of the task: a `Vocabulary`",
    "continuous": "vectors of numbers on its side of the task: `Continuous`",
    "weights": "attention weights: a decoder with attention",
    "alignment": "gold alignments: a task with `has_alignment`",
    "copy_map": "a task that declares what each source symbol is copied as: `Task.copy_map`",
    "complete_copy_map": "a `copy_map` that leads to every target symbol",
}
"""Each name, and what provides it. Where a part requires neither of "symbols" and "continuous", it takes both."""


def requirement_problem(part: object) -> str:
    """What is wrong with the `requires` of a part or of its class; empty where nothing is."""
    requires: object = getattr(part, "requires", frozenset())
    if not isinstance(requires, frozenset):
        return f"requires is {requires!r}, not a frozenset of names such as frozenset({{'weights'}})"
    for name in sorted(requires - REQUIREMENTS.keys(), key=str):
        nearest = nearest_name(str(name), REQUIREMENTS)
        hint = f"did you mean {nearest!r}?" if nearest else f"the requirements are {', '.join(REQUIREMENTS)}"
        return f"requires the unknown {name!r} ({hint})"
    if {"symbols", "continuous"} <= requires and isinstance(part, type):
        return "requires symbols and continuous values, and a side of a task has one of them; for both, require neither"
    return ""
