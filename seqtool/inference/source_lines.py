"""Sources from files, one a line, predicted batch by batch: whatever the length of a file, one batch is held."""

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
    """A line that the task could read."""

    line: Line
    text: str
    ids: tuple[Any, ...]


@dataclass
class Lines:
    """Predicts the sources of lines in their order.

    Attributes:
        on_bad: called with what is wrong with a line; when it returns, the line is left out.
        bad: how many lines were left out.
    """

    predictor: Predictor
    search: Search
    batch_size: int
    max_length: int | None
    on_bad: Callable[[SeqtoolError], None]
    bad: int = 0

    def predict(self, lines: Iterable[Line]) -> Iterator[list[tuple[int, Prediction]]]:
        """Batches of a line's number and its prediction; what stands before a bad line comes before it is told."""
        waiting: list[Source] = []
        for line in lines:
            source = self._read(line)
            if isinstance(source, SeqtoolError):
                yield from self._written(waiting)
                waiting = []
                self._tell(line, source)
                continue
            waiting.append(source)
            if len(waiting) == self.batch_size:
                yield from self._written(waiting)
                waiting = []
        yield from self._written(waiting)

    def _read(self, line: Line) -> Source | SeqtoolError:
        try:
            text = decode(line)
            return Source(line, text, self.predictor.read(text))
        except SeqtoolError as error:
            return error

    def _written(self, batch: list[Source]) -> Iterator[list[tuple[int, Prediction]]]:
        """The predictions of a batch; where the model refuses it, each alone, to find the one at fault."""
        if not batch:
            return
        texts, ids = [source.text for source in batch], [source.ids for source in batch]
        try:
            found = self.predictor.write(texts, ids, self.search, self.max_length)
        except SeqtoolError as error:
            if len(batch) == 1:
                self._tell(batch[0].line, error)
                return
            for source in batch:
                yield from self._written([source])
            return
        yield [(source.line.number, one) for source, one in zip(batch, found, strict=True)]

    def _tell(self, line: Line, error: SeqtoolError) -> None:
        self.on_bad(SeqtoolError(f"{line.place}: {error}"))
        self.bad += 1
