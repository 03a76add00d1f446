"""Predictions as lines of text, and their weights as arrays."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from seqtool.files import TEMPORARY, telling
from seqtool.inference.predictor import Prediction

COLUMNS = ("line", "rank", "score", "source", "prediction")
_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"})


def tsv_heading() -> str:
    """The names of the columns."""
    return "\t".join(COLUMNS) + "\n"


def tsv(number: int, prediction: Prediction) -> str:
    """A row a hypothesis. Tabs, line ends and backslashes within a text become \\t, \\n, \\r and \\\\."""
    rows = (
        (str(number), str(rank), format(found.score, ".6f"), prediction.source, found.text)
        for rank, found in enumerate(prediction.hypotheses, start=1)
    )
    return "".join("\t".join(cell.translate(_ESCAPES) for cell in row) + "\n" for row in rows)


def jsonl(number: int, prediction: Prediction) -> str:
    """An object a source."""
    hypotheses = [
        {"text": found.text, "score": round(found.score, 6), "symbols": found.symbols}
        for found in prediction.hypotheses
    ]
    line: dict[str, Any] = {
        "line": number,
        "source": prediction.source,
        "source_symbols": prediction.source_symbols,
        "predictions": hypotheses,
    }
    return json.dumps(line, ensure_ascii=False) + "\n"


class WeightsFile:
    """An .npz with an array `[heads, symbols, memory]` for each hypothesis, by "<line>/<rank>", written as they come.

    It appears whole under its name when the block is left without an error, or not at all.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.temporary = path, path.with_name(f".{path.name}{TEMPORARY}")

    def __enter__(self) -> Self:
        with telling(self.path):
            self._archive = zipfile.ZipFile(self.temporary, "w", zipfile.ZIP_DEFLATED)
        return self

    def add(self, number: int, prediction: Prediction) -> None:
        """Write the weights of all hypotheses of a line."""
        for name, weights in _named(number, prediction):
            with telling(self.path), self._archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(weights), allow_pickle=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with telling(self.path):
            self._archive.close()
            if kind is None:
                self.temporary.replace(self.path)
            else:
                self.temporary.unlink(missing_ok=True)


def _named(number: int, prediction: Prediction) -> Iterator[tuple[str, Any]]:
    for rank, found in enumerate(prediction.hypotheses, start=1):
        yield f"{number}/{rank}", found.weights
