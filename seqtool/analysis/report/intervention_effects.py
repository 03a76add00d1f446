"""The results of `seqtool intervene --save`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqtool.runs.contents import Seed, is_number


@dataclass(frozen=True)
class InterventionTable:
    """One variant: intervention -> `(mode, measure)` -> the values of the seeds."""

    variant: str
    measures: tuple[tuple[str, str], ...]
    rows: dict[str, dict[tuple[str, str], list[float]]]


def intervention_tables(variants: Mapping[str, Sequence[Seed]]) -> list[InterventionTable]:
    """The tables of all variants with saved interventions."""
    return [found for name, seeds in variants.items() if (found := _table(name, seeds)).rows]


def _table(variant: str, seeds: Sequence[Seed]) -> InterventionTable:
    rows: dict[str, dict[tuple[str, str], list[float]]] = {}
    for seed in seeds:
        for intervention, modes in _mapping(seed.interventions.get("measured")).items():
            for mode, measures in _mapping(modes).items():
                for measure, effect in _mapping(measures).items():
                    value = _mapping(_mapping(effect).get("value")).get("value")
                    if is_number(value):
                        rows.setdefault(intervention, {}).setdefault((mode, measure), []).append(value)
    return InterventionTable(variant, tuple(dict.fromkeys(key for row in rows.values() for key in row)), rows)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
