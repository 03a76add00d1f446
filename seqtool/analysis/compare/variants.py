"""Runs -> the variants that are compared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.runs.contents import Run, Seed
from seqtool.runs.read import Reader


@dataclass(frozen=True)
class Arm:
    """One variant of one run: `label` is its own among all that are compared."""

    label: str
    run: Run
    variant: str

    @property
    def seeds(self) -> list[Seed]:
        """Those that left anything."""
        return [seed for seed in self.run.variants[self.variant] if seed.rows or seed.result]


@dataclass(frozen=True)
class Gathered:
    """The arms, what of their runs cannot be read, and what is not there yet."""

    arms: list[Arm]
    problems: list[str]
    notes: list[str]


def gather(paths: Sequence[Path], variants: Sequence[str]) -> Gathered:
    """The variants of some runs.

    Raises:
        MisuseError: a run twice, or no such variant. SeqtoolError: there are not two of them.
    """
    twice = [str(path) for path, count in Counter(path.resolve() for path in paths).items() if count > 1]
    if twice:
        raise MisuseError(f"{twice[0]} is named twice; the variants of one run are compared by naming it once")
    problems: list[str] = []
    notes: list[str] = []
    runs: dict[str, Run] = {}
    for name, path in zip(_names(paths), paths, strict=True):
        before = f"{name}: " if len(paths) > 1 else ""
        if not path.is_dir():
            problems.append(f"{path} is not a run: there is no such folder")
            continue
        run = Reader(path).read()
        problems += [f"{before}{problem}" for problem in run.problems]
        notes += [f"{before}{note}" for note in run.notes]
        if run.seeds:
            runs[name] = run
        else:
            problems.append(f"{path} is not a run: it holds no seed")
    known = dict.fromkeys(variant for run in runs.values() for variant in run.variants)
    for wanted in variants:
        if wanted not in known:
            raise MisuseError(f"no such variant: {wanted!r}", allowed=known, nearest=nearest_name(wanted, known))
    single = all(len(run.variants) == 1 for run in runs.values())
    arms = [
        Arm(variant if len(paths) == 1 else name if single else f"{name}: {variant}", run, variant)
        for name, run in runs.items()
        for variant in run.variants
        if not variants or variant in variants
    ]
    empty = [arm for arm in arms if not arm.seeds]
    problems += [f"{arm.label}: nothing of it can be read" for arm in empty]
    arms = [arm for arm in arms if arm.seeds]
    if len(arms) < 2:
        told = "".join(f"\n    {problem}" for problem in problems)
        raise SeqtoolError(f"two variants are needed to compare, and {len(arms)} can be read{told}")
    return Gathered(arms, problems, notes)


def _names(paths: Sequence[Path]) -> list[str]:
    """As much of the end of each path as tells it from the others."""
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]
