"""A trained variant, ready to write: texts in, texts out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from seqtool.build.assembly import Assembly, prepared_task
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.inference.bleu import Bleu
from seqtool.inference.chosen_search import Wish, built_search
from seqtool.inference.decoding import Written, decoded
from seqtool.inference.evaluation import Evaluation, Evaluator, batches_asked, drawn_batches
from seqtool.inference.intervene import DELAY, Bench, Interventions, first_examples, intervene
from seqtool.inference.pairs import Pair, joined, pair_of
from seqtool.inference.prediction import Hypothesis, Prediction
from seqtool.nn.accepted_targets import pad_rows
from seqtool.nn.model import Seq2Seq
from seqtool.parts.search import Search
from seqtool.parts.task import Split, Task, changed_entries
from seqtool.recipe import Variant

BATCH_SIZE = 64


@dataclass(frozen=True)
class Predictor:
    """One seed of one variant of a run, as `seqtool.load` reads it.

    Attributes:
        name: the variant's, in the run. checkpoint: "best" or "last". step: how many steps it had been trained for.
        assembly: its parts; the task is prepared from what the run kept, without its data.
    """

    name: str
    variant: Variant
    checkpoint: str
    step: int
    assembly: Assembly
    device: torch.device

    @property
    def seed(self) -> int:
        """The seed that was trained."""
        return self.assembly.options.seed

    @property
    def task(self) -> Task:
        """The task, without its data."""
        return self.assembly.task

    @property
    def model(self) -> Seq2Seq:
        """The trained model, for evaluation."""
        return self.assembly.model

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
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise MisuseError(f"source {i + 1} is {text!r}, not a text")
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
        bleu: str | None = None,
        bootstrap_seed: int = 0,
    ) -> Evaluation:
        """Exact match, accuracies, edit distance and error rates on a split, each with an interval.

        Of values: mean squared and mean absolute error, and the recipe's own metrics. With attention also where
        the model looks while the gold symbols before are given, by the recipe's metrics on weights.

        Args:
            batches: how many to look at; None for the whole split, or the recipe's `validation_batches` of a task that
                has no end of them. batch_size: None for the recipe's `validation_batch_size`.
            bleu: also BLEU, of the task's own "tokens", or by one of sacrebleu's tokenizers, "13a" for example.
            bootstrap_seed: what intervals are drawn from. search, max_length: as in `predict`.

        Raises:
            SeqtoolError: the split holds no example, or the task's data are not there or no longer those of the run.
        """
        options, built, task = self.assembly.options, self.search(search), self.task_with_data()
        size = options.validation_batch_size if batch_size is None else batch_size
        count = batches_asked(task, split, batches, options.validation_batches, size, max_length)
        return self._evaluator(task, built, max_length, bleu, bootstrap_seed).split(split, count, size, self.seed)

    def evaluate_pairs(
        self,
        pairs: Iterable[tuple[str, str] | Pair],
        *,
        search: Wish = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        bleu: str | None = None,
        bootstrap_seed: int = 0,
    ) -> Evaluation:
        """The same on pairs of a source and its target; no data of the run are needed.

        Args:
            pairs: texts, several with the same source where it has several right targets; or pairs that were read.

        Raises:
            SeqtoolError: no pair of texts, one that the task cannot read, or no pair at all.
        """
        if any(number is not None and number < 1 for number in (batch_size, max_length)):
            raise MisuseError("batch_size and max_length are whole numbers from 1 on")
        read = [pair_of(pair, self.read, self.read_target) for pair in pairs]
        merged = joined((pair.source, target) for pair in read for target in pair.targets)
        evaluator = self._evaluator(self.task, self.search(search), max_length, bleu, bootstrap_seed)
        return evaluator.pairs(merged, batch_size or self.assembly.options.validation_batch_size)

    def _evaluator(
        self, task: Task, search: Search, max_length: int | None, bleu: str | None, bootstrap_seed: int
    ) -> Evaluator:
        measure = None if bleu is None else Bleu(task, bleu)
        return Evaluator(
            task, self.model, search, self.assembly.metrics, max_length, self.device, measure, bootstrap_seed
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
            only: which of `INTERVENTIONS`, one or several; all that can be done where none is named.
            delay: how many steps "delayed" looks late. shuffle_seed: what orders are drawn from.
            examples: at most so many. The others: as in `evaluate`.

        Raises:
            SeqtoolError: a model without attention, one that is named cannot be done, or as `evaluate`.
        """
        options, built, task = self.assembly.options, self.search(search), self.task_with_data()
        size = options.validation_batch_size if batch_size is None else batch_size
        batches = None if examples is None else -(-examples // max(1, size))
        count = batches_asked(task, split, batches, options.validation_batches, size, max_length)
        drawn = first_examples(drawn_batches(task, split, count, size, self.seed), examples)
        bench = Bench(self._evaluator(task, built, max_length, None, bootstrap_seed), drawn)
        return intervene(bench, split, (only,) if isinstance(only, str) else tuple(only), delay, shuffle_seed)

    def task_with_data(self) -> Task:
        """The task with its data, which must be those that the model was trained with.

        Raises:
            SeqtoolError: the data are not there, or others.
        """
        task = prepared_task(self.variant)
        sides = ("source_vocabulary", "target_vocabulary")
        others = ["vocabularies"] if any(getattr(task, side) != getattr(self.task, side) for side in sides) else []
        others = others or changed_entries(self.task.state(), task.state())
        if others:
            raise SeqtoolError(
                f"the data of this run's task have changed since it was trained: other {', '.join(others)}\n"
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
        if search is None and n_best is None:
            return self.assembly.search
        wish = self.variant.train.search if search is None else search
        return built_search(wish, n_best, self.task, self.variant.registry)

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

    def read_target(self, text: str) -> tuple[int, ...]:
        """The ids of one target, the end symbol left out. Raises: see `read`; or continuous targets."""
        if self.task.target_vocabulary.modality != "symbols":
            raise SeqtoolError("pairs are compared symbol by symbol, and this task's targets are continuous")
        try:
            ids = self.task.encode_target(text)
        except NotImplementedError as error:
            name = self.variant.task.name
            raise SeqtoolError(f"the task {name!r} reads no text, so there is nothing to compare with") from error
        if not ids:
            raise SeqtoolError("there is no symbol in this target")
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
        source, mask = (side.to(self.device) for side in pad_rows(ids))
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
