"""The predictions of a model for one source."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hypothesis:
    """One predicted target.

    Attributes:
        symbols: the predicted symbols, the end symbol included; of continuous targets, the text of each position.
        score: the log-probability of the symbols; None for continuous targets.
        weights: attention weights, an array `[heads, symbols, memory]`; None without attention. The memory has one
            position per source symbol, unless the encoder shortens it.
        values: the predicted vectors of continuous targets; None for symbols.
    """

    text: str
    symbols: tuple[str, ...]
    score: float | None
    weights: Any
    values: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True)
class Prediction:
    """The hypotheses for one source, best first; `text`, `symbols`, `score` and `weights` are those of the best."""

    source: str
    source_symbols: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]

    @property
    def text(self) -> str:
        return self.hypotheses[0].text

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.hypotheses[0].symbols

    @property
    def score(self) -> float | None:
        return self.hypotheses[0].score

    @property
    def weights(self) -> Any:
        return self.hypotheses[0].weights
