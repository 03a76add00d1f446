"""Reads the variants that are compared from run directories."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqtool.analysis.compare.pooling import ComparedVariant, pool
from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.runs.contents import Run
from seqtool.runs.read import read_run


@dataclass(frozen=True)
class ComparedVariants:
    """The variants, the files that cannot be read, and what is missing."""

    variants: list[ComparedVariant]
    problems: list[str]
    notes: list[str]


def read_variants(paths: Sequence[Path], names: Sequence[str], baseline: str | None = None) -> ComparedVariants:
    """Read the variants of some runs; without names, all of them. Runs of equal recipes are pooled.

    Args:
        baseline: the label or name of the variant that comes first; default: the first of the first run.

    Raises:
        MisuseError: a run is named twice, or there is no such variant. SeqtoolError: fewer than two can be read, and
            they are not pooled.
    """
    twice = [str(path) for path, count in Counter(path.resolve() for path in paths).items() if count > 1]
    if twice:
        raise MisuseError(f"{twice[0]} is given twice; to compare the variants of one run, give it once")
    problems: list[str] = []
    notes: list[str] = []
    runs: dict[str, Run] = {}
    for name, path in zip(_unique_names(paths), paths, strict=True):
        before = f"{name}: " if len(paths) > 1 else ""
        if not path.is_dir():
            problems.append(f"{path} is not a run: there is no such folder")
            continue
        run = read_run(path)
        problems += [f"{before}{problem}" for problem in run.problems]
        notes += [f"{before}{note}" for note in run.notes]
        if run.seeds:
            runs[name] = run
        else:
            problems.append(f"{path} is not a run: it has no seeds")
    known = dict.fromkeys(variant for run in runs.values() for variant in run.variants)
    for wanted in names:
        if wanted not in known:
            raise MisuseError(f"no such variant: {wanted!r}", allowed=known, nearest=nearest_name(wanted, known))
    single = all(len(run.variants) == 1 for run in runs.values())
    variants = [
        ComparedVariant(_label(name, variant, len(paths), single), run, variant, (run.path,))
        for name, run in runs.items()
        for variant in run.variants
        if not names or variant in names
    ]
    empty = [variant for variant in variants if not variant.seeds]
    problems += [f"{variant.label}: no metrics and no result can be read" for variant in empty]
    variants = [variant for variant in variants if variant.seeds]
    if len(runs) > 1:
        variants, remarks = pool(variants)
        notes += remarks
    if len(variants) < 2 and not any(len(variant.folders) > 1 for variant in variants):
        listed = "".join(f"\n    {problem}" for problem in problems)
        raise SeqtoolError(f"a comparison needs two variants, but {len(variants)} can be read{listed}")
    return ComparedVariants(_baseline_first(variants, baseline), problems, notes)


def _label(run: str, variant: str, runs: int, single: bool) -> str:
    return variant if runs == 1 else run if single else f"{run}: {variant}"


def _baseline_first(variants: list[ComparedVariant], baseline: str | None) -> list[ComparedVariant]:
    if baseline is None:
        return variants
    found = [variant for variant in variants if variant.label == baseline] or [
        variant for variant in variants if variant.name == baseline
    ]
    if len(found) != 1:
        labels = [variant.label for variant in variants]
        what = "several variants have" if found else "no variant has"
        raise MisuseError(f"{what} the name {baseline!r}", allowed=labels, nearest=nearest_name(baseline, labels))
    return [*found, *(variant for variant in variants if variant is not found[0])]


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """The shortest suffixes of the paths that are unique."""
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]
