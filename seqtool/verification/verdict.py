"""The verdict on a claim: the numbers of each seed, and whether they lie in their bands."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any

from seqtool.verification.claim import Claim, Measure

FORMAT = 1


@dataclass(frozen=True)
class Finding:
    """The value of one measure for each seed."""

    measure: Measure
    variant: str
    values: dict[int, float]

    @property
    def mean(self) -> float:
        return mean(self.values.values())

    @property
    def holds(self) -> bool | None:
        """Whether the values lie in the band; None without a band."""
        measure = self.measure
        if not measure.has_band:
            return None
        low = -math.inf if measure.least is None else measure.least
        high = math.inf if measure.most is None else measure.most
        compared = [self.mean] if measure.over == "mean" else self.values.values()
        return all(low <= value <= high for value in compared)

    def plain(self) -> dict[str, Any]:
        """The entry of verdict.json."""
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
    """The results of all measures of a claim.

    Attributes:
        seeds: the measured seeds; the verdict is partial if the claim has more.
        runs: for each variant and seed the run, the machine and the training time.
        about: recipe, commit and date, for verdict.json.
    """

    claim: Claim
    as_published: bool
    seeds: tuple[int, ...]
    findings: tuple[Finding, ...]
    runs: tuple[Mapping[str, Any], ...]
    about: Mapping[str, Any]

    @property
    def holds(self) -> bool:
        """Whether every measure with a band lies in it."""
        return all(finding.holds is not False for finding in self.findings)

    @property
    def partial(self) -> bool:
        return set(self.seeds) != set(self.claim.document.seeds)

    @property
    def text(self) -> str:
        """The verdict in one line."""
        failed = ", ".join(finding.measure.name for finding in self.findings if finding.holds is False)
        text = "HOLDS" if self.holds else f"DOES NOT HOLD: {failed}"
        if all(finding.holds is None for finding in self.findings):
            text = "REPORTED: no measure has a band"
        if not self.partial:
            return text
        seeds, claimed = (", ".join(map(str, numbers)) for numbers in (self.seeds, self.claim.document.seeds))
        return f"{text} (partial: seeds {seeds} of {claimed})"

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
            "verdict": self.text,
            "seeds": list(self.seeds),
            "measures": [finding.plain() for finding in self.findings],
            "runs": list(self.runs),
            **self.about,
        }


def _quantity(measure: Measure) -> dict[str, Any]:
    """The measured quantity, as the claim specifies it."""
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
    """The value; None if it is not finite, since JSON has no NaN."""
    return value if math.isfinite(value) else None
