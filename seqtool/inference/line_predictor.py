"""Predict the sources of text lines, one batch in memory at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from seqtool.errors import SeqtoolError
from seqtool.inference.prediction import Prediction
from seqtool.inference.predictor import Predictor
from seqtool.inference.text_lines import Line, decode
from seqtool.parts.search import Search


@dataclass(frozen=True)
class Source:
    """An encoded line."""

    line: Line
    text: str
    ids: tuple[Any, ...]


@dataclass
class LinePredictor:
    """Predicts the sources of lines, in order.

    Attributes:
        on_error: called with the error of a line; if it returns, the line is skipped.
        on_source: called with the place, text and ids of each line; a SeqtoolError that it raises is the line's error.
    """

    predictor: Predictor
    search: Search
    batch_size: int
    max_length: int | None
    on_error: Callable[[SeqtoolError], None]
    on_source: Callable[[str, str, tuple[Any, ...]], None] = lambda place, text, ids: None

    def predict(self, lines: Iterable[Line]) -> Iterator[list[tuple[int, Prediction]]]:
        """Batches of `(line number, prediction)`; the lines before a bad one are yielded before its error."""
        batch: list[Source] = []
        for line in lines:
            source = self._encode(line)
            if isinstance(source, SeqtoolError):
                yield from self._predict_batch(batch)
                batch = []
                self._report(line, source)
                continue
            batch.append(source)
            if len(batch) == self.batch_size:
                yield from self._predict_batch(batch)
                batch = []
        yield from self._predict_batch(batch)

    def _encode(self, line: Line) -> Source | SeqtoolError:
        try:
            text = decode(line)
            ids = self.predictor.encode_source(text)
            self.on_source(line.place, text, ids)
            return Source(line, text, ids)
        except SeqtoolError as error:
            return error

    def _predict_batch(self, batch: list[Source]) -> Iterator[list[tuple[int, Prediction]]]:
        """The predictions of a batch; if the model refuses it, of each source separately, to find the bad line."""
        if not batch:
            return
        texts, ids = [source.text for source in batch], [source.ids for source in batch]
        try:
            found = self.predictor.predict_batch(texts, ids, self.search, self.max_length)
        except SeqtoolError as error:
            if len(batch) == 1:
                self._report(batch[0].line, error)
                return
            for source in batch:
                yield from self._predict_batch([source])
            return
        yield [(source.line.number, one) for source, one in zip(batch, found, strict=True)]

    def _report(self, line: Line, error: SeqtoolError) -> None:
        self.on_error(SeqtoolError(f"{line.place}: {error}"))
