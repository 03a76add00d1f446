"""What came out of a claim: numbers of each seed, and whether they lie where they must."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any

from seqtool.verification.claim import Claim, Measure

FORMAT = 1


@dataclass(frozen=True)
class Finding:
    """One measure: its number for each seed."""

    measure: Measure
    variant: str
    values: dict[int, float]

    @property
    def mean(self) -> float:
        return mean(self.values.values())

    @property
    def holds(self) -> bool | None:
        """Whether it lies in the band; None where there is none."""
        measure = self.measure
        if not measure.asks:
            return None
        low = -math.inf if measure.least is None else measure.least
        high = math.inf if measure.most is None else measure.most
        looked_at = [self.mean] if measure.over == "mean" else self.values.values()
        return all(low <= value <= high for value in looked_at)

    def plain(self) -> dict[str, Any]:
        """As verdict.json has it."""
        measure = self.measure
        return {
            "name": measure.name,
            "variant": self.variant,
            "quantity": _quantity(measure),
            "published": measure.published,
            "over": measure.over,
            "least": measure.least,
            "most": measure.most,
            "band": measure.band,
            "seeds": {str(seed): _finite(value) for seed, value in self.values.items()},
            "mean": _finite(self.mean),
            "holds": self.holds,
        }


@dataclass(frozen=True)
class Verdict:
    """All measures of a claim.

    Attributes:
        seeds: those that were looked at; fewer than the claim's make it partial.
        runs: of each variant and seed, where it was trained, on what and in which time.
        about: the rest of verdict.json: the recipe, the commit, the date.
    """

    claim: Claim
    as_published: bool
    seeds: tuple[int, ...]
    findings: tuple[Finding, ...]
    runs: tuple[Mapping[str, Any], ...]
    about: Mapping[str, Any]

    @property
    def holds(self) -> bool:
        """Whether every number that has a band lies in it."""
        return all(finding.holds is not False for finding in self.findings)

    @property
    def partial(self) -> bool:
        return set(self.seeds) != set(self.claim.document.seeds)

    @property
    def words(self) -> str:
        """The verdict in a line."""
        failed = ", ".join(finding.measure.name for finding in self.findings if finding.holds is False)
        said = "HOLDS" if self.holds else f"DOES NOT HOLD: {failed}"
        if all(finding.holds is None for finding in self.findings):
            said = "REPORTED: no measure has a band"
        if not self.partial:
            return said
        seeds, wanted = (", ".join(map(str, numbers)) for numbers in (self.seeds, self.claim.document.seeds))
        return f"{said} (partial: seeds {seeds} of {wanted})"

    def plain(self) -> dict[str, Any]:
        """The content of verdict.json (docs/verify.md)."""
        document = self.claim.document
        return {
            "format": FORMAT,
            "claim": self.claim.name,
            "title": document.title,
            "published": document.published,
            "source": document.source,
            "note": document.note,
            "as_published": self.as_published,
            "holds": self.holds,
            "partial": self.partial,
            "verdict": self.words,
            "seeds": list(self.seeds),
            "measures": [finding.plain() for finding in self.findings],
            "runs": list(self.runs),
            **self.about,
        }


def _quantity(measure: Measure) -> dict[str, Any]:
    """What was measured, as the claim asks for it."""
    if measure.result is not None:
        return {"result": measure.result}
    search: Any = measure.search
    return {
        "metric": measure.metric,
        "split": measure.split,
        "search": None if search is None else dict(search.plain),
        "checkpoint": measure.checkpoint,
        "batches": measure.batches,
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
