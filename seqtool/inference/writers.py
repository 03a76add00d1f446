"""Write predictions as TSV or JSON lines, and their attention weights as arrays."""

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.inference.prediction import Hypothesis, Prediction
from seqtool.runs.files import atomic_file

COLUMNS = ("line", "rank", "score", "source", "prediction")
_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"})


def tsv_heading() -> str:
    """The line of column names."""
    return "\t".join(COLUMNS) + "\n"


def tsv(number: int, prediction: Prediction) -> str:
    """One row per hypothesis. Tabs, line ends and backslashes within a text become \\t, \\n, \\r and \\\\."""
    rows = (
        (str(number), str(rank), _score(found), prediction.source, found.text)
        for rank, found in enumerate(prediction.hypotheses, start=1)
    )
    return "".join("\t".join(cell.translate(_ESCAPES) for cell in row) + "\n" for row in rows)


def jsonl(number: int, prediction: Prediction) -> str:
    """One object per source. Hypotheses of continuous targets have `values` and no score."""
    hypotheses = [
        {
            "text": found.text,
            "score": None if found.score is None else round(found.score, 6),
            "symbols": found.symbols,
            **({} if found.values is None else {"values": found.values}),
        }
        for found in prediction.hypotheses
    ]
    line: dict[str, Any] = {
        "line": number,
        "source": prediction.source,
        "source_symbols": prediction.source_symbols,
        "predictions": hypotheses,
    }
    return json.dumps(line, ensure_ascii=False) + "\n"


def _score(found: Hypothesis) -> str:
    return "" if found.score is None else format(found.score, ".6f")


@contextmanager
def weights_file(path: Path) -> Iterator[Callable[[int, Prediction], None]]:
    """An .npz with an array `[heads, symbols, memory]` for each hypothesis, named "<line>/<rank>".

    Arrays are written as they are added; the complete file appears when the context exits without an error.
    """
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(number: int, prediction: Prediction) -> None:
            for rank, found in enumerate(prediction.hypotheses, start=1):
                with archive.open(f"{number}/{rank}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.ascontiguousarray(found.weights), allow_pickle=False)

        yield add
