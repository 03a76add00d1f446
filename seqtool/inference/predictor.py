"""A trained variant, ready to write: texts in, texts out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from seqtool.build import build_metrics, prepared_task
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.inference.decoding import Written, decoded, padded
from seqtool.inference.evaluation import Evaluation, batches_asked, drawn_batches, evaluate
from seqtool.inference.intervening import DELAY, Bench, Interventions, first_examples, intervene
from seqtool.nn.model import Seq2Seq
from seqtool.parts.search import Search
from seqtool.parts.task import Split, Task
from seqtool.parts.vocabulary import forms_of
from seqtool.recipe import Reference, Variant, reference

BATCH_SIZE = 64
Wish = str | Mapping[str, Any] | Reference | Search | None
"""A search as a recipe writes it, or one that is built; None is the recipe's own."""


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


@dataclass(frozen=True)
class Predictor:
    """One seed of one variant of a run, as `seqtool.load` reads it.

    Attributes:
        name: the variant's, in the run. checkpoint: "best" or "last". step: how many steps it had been trained for.
        task: prepared from what the run kept, without its data.
    """

    name: str
    variant: Variant
    seed: int
    checkpoint: str
    step: int
    task: Task
    model: Seq2Seq
    device: torch.device

    def predict(
        self,
        sources: Iterable[str],
        *,
        search: Wish = None,
        batch_size: int = BATCH_SIZE,
        max_length: int | None = None,
    ) -> list[Prediction]:
        """Predict the target of each source, in order.

        Args:
            search: as a recipe writes it: "greedy", `{"type": "beam", "size": 5, "best": 5}`; None: the recipe's own.
            batch_size: how many are decoded at once.
            max_length: the most symbols that are written; None for the task's own most.

        Raises:
            SeqtoolError: a source that the task cannot read, or a task that reads no text; nothing was predicted.
        """
        if isinstance(sources, str):
            raise MisuseError("predict takes a list of sources, such as ['a b c']")
        if batch_size < 1:
            raise MisuseError(f"batch_size is a whole number from 1 on; got {batch_size!r}")
        built = self.search(search)
        texts = list(sources)
        ids = [self.read(text) for text in texts]
        found = []
        for i in range(0, len(texts), batch_size):
            found += self.write(texts[i : i + batch_size], ids[i : i + batch_size], built, max_length)
        return found

    def evaluate(
        self,
        split: Split = "valid",
        *,
        search: Wish = None,
        batches: int | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        bootstrap_seed: int = 0,
    ) -> Evaluation:
        """Exact match, token accuracy, edit distance and token error rate on a split, each with an interval.

        And where the model looks while the gold symbols before are given, by the recipe's metrics on weights.

        Args:
            batches: how many to look at; None for the whole split, or the recipe's `validation_batches` of a task that
                has no end of them. batch_size: None for the recipe's `validation_batch_size`.
            bootstrap_seed: what intervals are drawn from. search, max_length: as in `predict`.

        Raises:
            SeqtoolError: the split holds no example, or the task's data are not there or no longer those of the run.
        """
        train, built, task = self.variant.train, self.search(search), self.task_with_data()
        size = train.validation_batch_size if batch_size is None else batch_size
        return evaluate(
            task,
            self.model,
            built,
            split,
            metrics=build_metrics(self.variant, task, self.model.decoder.num_heads),
            batches=batches_asked(task, split, batches, train.validation_batches, size, max_length),
            batch_size=size,
            max_length=max_length,
            device=self.device,
            seed=self.seed,
            bootstrap_seed=bootstrap_seed,
        )

    def intervene(
        self,
        split: Split = "valid",
        *,
        only: Iterable[str] = (),
        delay: int = DELAY,
        shuffle_seed: int = 0,
        search: Wish = None,
        examples: int | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        bootstrap_seed: int = 0,
    ) -> Interventions:
        """Measure the model with its weights replaced: how much what it writes depends on where it looks.

        Args:
            only: which of `INTERVENTIONS`; all that can be done where none is named.
            delay: how many steps "delayed" looks late. shuffle_seed: what orders are drawn from.
            examples: at most so many. The others: as in `evaluate`.

        Raises:
            SeqtoolError: a model without attention, one that is named cannot be done, or as `evaluate`.
        """
        train, built, task = self.variant.train, self.search(search), self.task_with_data()
        size = train.validation_batch_size if batch_size is None else batch_size
        batches = None if examples is None else -(-examples // max(1, size))
        count = batches_asked(task, split, batches, train.validation_batches, size, max_length)
        drawn = first_examples(drawn_batches(task, split, count, size, self.seed), examples)
        bench = Bench(task, self.model, built, drawn, max_length, self.device)
        return intervene(bench, split, tuple(only), delay, shuffle_seed, bootstrap_seed)

    def task_with_data(self) -> Task:
        """The task with its data, which must give the vocabularies that the model was trained with.

        Raises:
            SeqtoolError: the data are not there, or others.
        """
        task = prepared_task(self.variant)
        if any(getattr(task, side) != getattr(self.task, side) for side in ("source_vocabulary", "target_vocabulary")):
            raise SeqtoolError(
                "the data of this run's task have changed since it was trained: other vocabularies\n"
                "    allowed: the data as they were; predicting needs none"
            )
        return task

    def search(self, search: Wish = None, n_best: int | None = None) -> Search:
        """The search that a value describes; None is the one of the recipe.

        Args:
            n_best: how many hypotheses it is to give for each source; None leaves it as it is.

        Raises:
            RecipeError: no such search, or options that are none. MisuseError: it never gives so many, or is for other
                targets than this task's.
        """
        if isinstance(search, Search):
            self._refuse_misfit(type(search), type(search).__name__)
            return search
        found: Any = self.variant.train.search if search is None else search
        if not isinstance(found, Reference):
            found = reference("search", found, self.variant.registry)
        self._refuse_misfit(found.cls, found.name)
        if n_best is not None:
            option = found.cls.count_option
            if option is None and n_best > 1:
                message = f"the search {found.name!r} gives one hypothesis for each source, not {n_best}"
                raise MisuseError(message, allowed=[f"--search '{{type: beam, size: {n_best}}}'"])
            if option is not None:
                found = reference("search", {**found.plain, option: n_best}, self.variant.registry)
        built: Search = found()
        return built

    def _refuse_misfit(self, search: type, name: str) -> None:
        form = self.task.target_vocabulary.form
        if form not in forms_of(search):
            able = [part.name for part in self.variant.registry.parts("search") if form in forms_of(part.load())]
            raise MisuseError(f"the search {name!r} writes no {form}, as this task needs", allowed=able)

    def read(self, text: str) -> tuple[Any, ...]:
        """The ids, or the vectors, of one source.

        Raises:
            SeqtoolError: a symbol that the task does not know, no symbol at all, or a task that reads no text.
        """
        try:
            ids = self.task.encode_source(text)
        except NotImplementedError as error:
            name = self.variant.task.name
            raise SeqtoolError(f"the task {name!r} reads no text, so there is nothing to predict from") from error
        if not ids:
            raise SeqtoolError("there is no symbol in this source")
        return ids

    def write(
        self, texts: list[str], ids: list[tuple[Any, ...]], search: Search, max_length: int | None = None
    ) -> list[Prediction]:
        """Predict one batch of sources that were read.

        Raises:
            SeqtoolError: a part refuses sources of this length.
        """
        if max_length is not None and max_length < 1:
            raise MisuseError(f"max_length is a whole number from 1 on; got {max_length!r}")
        source, mask = padded(ids, self.device)
        found = decoded(self.model, search, source, mask, max_length or self.task.max_target_length)
        names = self.task.source_vocabulary.names
        return [
            Prediction(text, names(one), tuple(map(self._hypothesis, written)))
            for text, one, written in zip(texts, ids, found, strict=True)
        ]

    def _hypothesis(self, written: Written) -> Hypothesis:
        symbols = self.task.target_vocabulary.names(written.ids)
        values = written.ids if written.score is None else None
        return Hypothesis(self.task.decode_target(written.ids), symbols, written.score, written.weights, values)
