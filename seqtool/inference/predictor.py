"""A trained model with its task: text in, text out."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from seqtool.build.assembly import Assembly
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.inference.bleu import Bleu
from seqtool.inference.build_search import SearchOption, build_search
from seqtool.inference.decode import RawHypothesis, decode_batch
from seqtool.inference.evaluation import Evaluation, Evaluator, count_batches, first_batches
from seqtool.inference.intervene import DELAY, InterventionEffects, first_examples, intervention_effects
from seqtool.inference.pairs import Pair, as_pair, group_by_source
from seqtool.inference.prediction import Hypothesis, Prediction
from seqtool.inference.task_data import task_with_data
from seqtool.inference.unknown_symbols import UnknownPolicy, UnknownSymbols
from seqtool.nn.accepted_targets import pad_rows
from seqtool.nn.model import Seq2Seq
from seqtool.parts.batch import Batch
from seqtool.parts.search import Search
from seqtool.parts.task import Split, Task
from seqtool.recipe import Variant


@dataclass(frozen=True)
class Predictor:
    """One seed of one variant of a run, loaded by `seqtool.load`.

    Attributes:
        name: the name of the variant. checkpoint: "best" or "last". step: the training step of the checkpoint.
        assembly: the parts; the task was restored from the run, without its data.
    """

    name: str
    variant: Variant = field(repr=False)
    checkpoint: str
    step: int
    assembly: Assembly = field(repr=False)
    device: torch.device

    @property
    def seed(self) -> int:
        """The training seed."""
        return self.assembly.options.seed

    @property
    def task(self) -> Task:
        """The task, without its data."""
        return self.assembly.task

    @property
    def model(self) -> Seq2Seq:
        """The trained model, in evaluation mode."""
        return self.assembly.model

    def predict(
        self,
        sources: Iterable[str],
        *,
        search: SearchOption = None,
        batch_size: int = 64,
        max_length: int | None = None,
        unknown: UnknownPolicy = "warn",
    ) -> list[Prediction]:
        """Predict the target of each source, in order.

        Args:
            search: as in a recipe: "greedy", `{"type": "beam", "size": 5, "best": 5}`; default: the recipe's.
            batch_size: number of sources decoded together.
            max_length: the most symbols to generate; default: the task's maximum.
            unknown: what to do with symbols that training never saw: "warn" or "error".

        Raises:
            SeqtoolError: a source that the task cannot encode, or a task without text; nothing is predicted then.
        """
        if isinstance(sources, str):
            raise MisuseError("predict takes a list of sources, such as ['a b c']")
        if batch_size < 1:
            raise MisuseError(f"batch_size must be at least 1; got {batch_size!r}")
        built, texts = self.build_search(search), list(sources)
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise MisuseError(f"source {i + 1} is {text!r}, not a string")
        ids = [self.encode_source(text) for text in texts]
        report = UnknownSymbols(self.task, unknown, lambda message: warnings.warn(message, stacklevel=4))
        for i, (text, row) in enumerate(zip(texts, ids, strict=True)):
            report(f"source {i + 1}", text, row)
        batches = [slice(i, i + batch_size) for i in range(0, len(texts), batch_size)]
        return [one for some in batches for one in self.predict_batch(texts[some], ids[some], built, max_length)]

    def evaluate(
        self,
        split: Split = "valid",
        *,
        search: SearchOption = None,
        batches: int | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        bleu: str | None = None,
        bootstrap_seed: int = 0,
    ) -> Evaluation:
        """Exact match, accuracies, edit distance and error rates on a split, each with a confidence interval.

        With continuous targets mean squared and mean absolute error, and the recipe's metrics. With attention also the
        recipe's metrics of attention weights, in a teacher-forced pass.

        Args:
            batches: the most batches to evaluate; default: the whole split, or the recipe's `validation_batches` if
                the split has no end. batch_size: default: the recipe's `validation_batch_size`.
            bleu: also BLEU, of the task's symbols ("tokens") or with a tokenizer of sacrebleu, such as "13a".
            bootstrap_seed: seed of the intervals. search, max_length: as in `predict`.

        Raises:
            SeqtoolError: the split has no examples, or the task's data are missing or have changed since training.
        """
        evaluator = self._evaluator(self.task_with_data(), search, max_length, bleu, bootstrap_seed)
        return evaluator.evaluate_split(split, self._batches(evaluator.task, split, batches, batch_size, max_length))

    def evaluate_pairs(
        self,
        pairs: Iterable[tuple[str, str] | Pair],
        *,
        search: SearchOption = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        bleu: str | None = None,
        bootstrap_seed: int = 0,
    ) -> Evaluation:
        """`evaluate` on pairs of a source and a target, without the run's data.

        Args:
            pairs: strings, or encoded pairs; pairs with the same source are one example with several accepted targets.

        Raises:
            SeqtoolError: not a pair of strings, one that the task cannot encode, or no pairs.
        """
        if any(number is not None and number < 1 for number in (batch_size, max_length)):
            raise MisuseError("batch_size and max_length must be at least 1")
        encoded = [as_pair(pair, self.encode_source, self.encode_target) for pair in pairs]
        grouped = group_by_source((pair.source, target) for pair in encoded for target in pair.targets)
        evaluator = self._evaluator(self.task, search, max_length, bleu, bootstrap_seed)
        return evaluator.evaluate_pairs(grouped, batch_size or self.assembly.options.validation_batch_size)

    def _evaluator(
        self, task: Task, search: SearchOption, max_length: int | None, bleu: str | None, bootstrap_seed: int
    ) -> Evaluator:
        built, metrics = self.build_search(search), self.assembly.metrics
        scorer = None if bleu is None else Bleu(task, bleu)
        return Evaluator(task, self.model, built, metrics, max_length, self.device, scorer, bootstrap_seed)

    def intervene(
        self,
        split: Split = "valid",
        *,
        only: Iterable[str] = (),
        delay: int = DELAY,
        shuffle_seed: int = 0,
        search: SearchOption = None,
        examples: int | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        bootstrap_seed: int = 0,
    ) -> InterventionEffects:
        """Measure how the predictions depend on attention, by replacing the attention weights.

        Args:
            only: names among `INTERVENTIONS`; default: all that are possible.
            delay: steps of the intervention "delayed". shuffle_seed: seed of the permutations of "shuffled".
            examples: the most examples. The other arguments: as in `evaluate`.

        Raises:
            SeqtoolError: a model without attention, a named intervention that is not possible, or as `evaluate`.
        """
        evaluator = self._evaluator(self.task_with_data(), search, max_length, None, bootstrap_seed)
        size = batch_size or self.assembly.options.validation_batch_size
        limit = None if examples is None else -(-examples // size)
        batches = self._batches(evaluator.task, split, limit, batch_size, max_length)
        names = (only,) if isinstance(only, str) else tuple(only)
        return intervention_effects(evaluator, first_examples(batches, examples), split, names, delay, shuffle_seed)

    def _batches(
        self, task: Task, split: Split, limit: int | None, batch_size: int | None, max_length: int | None
    ) -> Iterator[Batch]:
        options = self.assembly.options
        size = options.validation_batch_size if batch_size is None else batch_size
        count = count_batches(task, split, limit, options.validation_batches, size, max_length)
        return first_batches(task, split, count, size, self.seed)

    def task_with_data(self) -> Task:
        """The task with its data.

        Raises:
            SeqtoolError: the data are missing or have changed since training.
        """
        return task_with_data(self.variant, self.task)

    def build_search(self, search: SearchOption = None, n_best: int | None = None) -> Search:
        """Build a search; None is the recipe's.

        Args:
            n_best: the number of hypotheses per source; default: as the search's options say.

        Raises:
            RecipeError: unknown search or wrong options. MisuseError: the search cannot return `n_best` hypotheses, or
                is for another modality than the task's targets.
        """
        if search is None and n_best is None:
            return self.assembly.search
        option = self.variant.train.search if search is None else search
        return build_search(option, n_best, self.task, self.assembly.registry)

    def encode_source(self, text: str) -> tuple[Any, ...]:
        """The ids or vectors of a source. Raises SeqtoolError: an unknown symbol, no symbols, or no text."""
        return self._encode(self.task.encode_source, text, "source")

    def encode_target(self, text: str) -> tuple[int, ...]:
        """The ids of a target, without the end symbol. Raises as `encode_source`, and for continuous targets."""
        if self.task.target_vocabulary.modality != "symbols":
            raise SeqtoolError("pairs are compared symbol by symbol, and this task has continuous targets")
        return self._encode(self.task.encode_target, text, "target")

    def _encode(self, encode: Callable[[str], tuple[Any, ...]], text: str, side: str) -> tuple[Any, ...]:
        try:
            ids = encode(text)
        except NotImplementedError as error:
            raise SeqtoolError(f"the task {self.variant.task.name!r} cannot encode a {side} from text") from error
        if not ids:
            raise SeqtoolError(f"the {side} has no symbols")
        return ids

    def predict_batch(
        self, texts: list[str], ids: list[tuple[Any, ...]], search: Search, max_length: int | None = None
    ) -> list[Prediction]:
        """Predict one batch of sources, given as text and encoded.

        Raises:
            SeqtoolError: a part refuses sources of this length.
        """
        if max_length is not None and max_length < 1:
            raise MisuseError(f"max_length must be at least 1; got {max_length!r}")
        source, mask = (side.to(self.device) for side in pad_rows(ids))
        found = decode_batch(self.model, search, source, mask, max_length or self.task.max_target_length)
        names = self.task.source_vocabulary.names
        return [
            Prediction(text, names(one), tuple(map(self._hypothesis, raw)))
            for text, one, raw in zip(texts, ids, found, strict=True)
        ]

    def _hypothesis(self, raw: RawHypothesis) -> Hypothesis:
        text, symbols = self.task.decode_target(raw.ids), self.task.target_vocabulary.names(raw.ids)
        return Hypothesis(text, symbols, raw.score, raw.weights, raw.ids if raw.score is None else None)
