"""What a model wrote for a source."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hypothesis:
    """One text that a search wrote for a source.

    Attributes:
        symbols: what was written, the end symbol included where there is one; of values, the text of each position.
        score: the log-probability of the symbols; None for values.
        weights: where it looked, an array `[heads, symbols, memory]`; None for a model without attention. The memory
            has one position a source symbol, but for encoders that shorten it.
        values: the vectors that were written; None for symbols.
    """

    text: str
    symbols: tuple[str, ...]
    score: float | None
    weights: Any
    values: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True)
class Prediction:
    """What was predicted for one source: `hypotheses`, the best first; `text`, `score` and so on are the best one's."""

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
