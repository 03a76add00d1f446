"""What `seqtool intervene --save` left: how much the output depends on where the model looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqtool.runs.contents import Seed, is_number


@dataclass(frozen=True)
class Forced:
    """One variant: for each intervention its measures, `(way, measure) -> a value for each seed`."""

    variant: str
    measures: tuple[tuple[str, str], ...]
    rows: dict[str, dict[tuple[str, str], list[float]]]


def forced(variants: Mapping[str, Sequence[Seed]]) -> list[Forced]:
    """The variants of which some seed was intervened on."""
    return [found for name, seeds in variants.items() if (found := _forced(name, seeds)).rows]


def _forced(variant: str, seeds: Sequence[Seed]) -> Forced:
    rows: dict[str, dict[tuple[str, str], list[float]]] = {}
    for seed in seeds:
        for intervention, ways in _mapping(seed.interventions.get("measured")).items():
            for way, measures in _mapping(ways).items():
                for measure, effect in _mapping(measures).items():
                    value = _mapping(_mapping(effect).get("value")).get("value")
                    if is_number(value):
                        rows.setdefault(intervention, {}).setdefault((way, measure), []).append(value)
    return Forced(variant, tuple(dict.fromkeys(key for row in rows.values() for key in row)), rows)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
