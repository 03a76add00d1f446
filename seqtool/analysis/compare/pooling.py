"""Pools runs of equal recipes: their seeds become the seeds of one variant."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from seqtool.runs.contents import Run, Seed


@dataclass(frozen=True)
class ComparedVariant:
    """One variant of one run, or of several runs of equal recipes, with a unique label.

    Attributes:
        run: a pooled variant has the first run, with the seeds of all.
        folders: all runs.
    """

    label: str
    run: Run
    name: str
    folders: tuple[Path, ...]

    @property
    def seeds(self) -> list[Seed]:
        """The seeds with rows or results."""
        return [seed for seed in self.run.variants[self.name] if seed.rows or seed.result]


def pool(variants: Sequence[ComparedVariant]) -> tuple[list[ComparedVariant], list[str]]:
    """Pool variants with equal tasks, models and training options in different runs; notes say which are not.

    Runs that share a seed are not pooled, because a seed must not be counted twice.
    """
    groups: dict[str, list[ComparedVariant]] = {}
    for variant in variants:
        groups.setdefault(_experiment(variant), []).append(variant)
    pooled, notes = [], []
    for members in groups.values():
        numbers = Counter(seed.seed for member in members for seed in member.run.variants[member.name])
        shared = [str(number) for number, count in numbers.items() if count > 1]
        if len(members) > 1 and not shared:
            pooled.append(_merged(members))
            continue
        if len(members) > 1:
            labels = " and ".join(member.label for member in members)
            notes.append(f"{labels} have equal recipes, but are not pooled: they share seed {', '.join(shared)}")
        pooled += members
    order = {(variant.folders[0], variant.name): i for i, variant in enumerate(variants)}
    pooled.sort(key=lambda variant: order[variant.folders[0], variant.name])
    names = Counter(variant.name for variant in pooled)
    if len(pooled) < len(variants) and max(names.values()) == 1:
        pooled = [replace(variant, label=variant.name) for variant in pooled]
    return pooled, notes


def _experiment(variant: ComparedVariant) -> str:
    """What equal recipes have in common; unique if the resolved recipe cannot be read."""
    try:
        found = yaml.load(variant.run.resolved[variant.name], yaml.BaseLoader)
        return json.dumps([found.get(key) for key in ("task", "model", "train")], sort_keys=True)
    except (yaml.YAMLError, RecursionError, AttributeError, TypeError, ValueError):
        return f"unreadable: {variant.label}"


def _merged(members: Sequence[ComparedVariant]) -> ComparedVariant:
    first = members[0]
    seeds = [seed for member in members for seed in member.run.variants[member.name]]
    seeds = sorted((replace(seed, variant=first.name) for seed in seeds), key=lambda seed: seed.seed)
    run = replace(first.run, variants={first.name: seeds}, resolved={first.name: first.run.resolved[first.name]})
    folders = tuple(path for member in members for path in member.folders)
    return ComparedVariant(f"{first.label} and {len(members) - 1} more", run, first.name, folders)
