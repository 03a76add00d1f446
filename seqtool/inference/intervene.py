"""A trained model measured while its weights are replaced, against itself."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from seqtool.errors import MisuseError, PartError, SeqtoolError, nearest_name
from seqtool.inference.evaluation import Evaluator, compared, value_scores
from seqtool.inference.interventions import Delayed, Gold, HeadOff, Shuffled, TopOne, Uniform
from seqtool.inference.measures import Estimate, Scores, ValueScores, changes, estimates
from seqtool.nn.attention import intervened
from seqtool.parts.batch import Batch
from seqtool.parts.intervention import Intervention
from seqtool.parts.task import Split
from seqtool.randomness import derive
from seqtool.statistics.bootstrap import described

INTERVENTIONS = {
    "gold": "where the task says the symbol comes from",
    "uniform": "the same everywhere",
    "shuffled": "its own, on other places",
    "previous": "its own of the step before",
    "delayed": "its own of some steps before",
    "top_1": "all on the place it gives most to",
    "head_off": "one head gives nothing, each in turn",
}
"""What can be forced, beside `own`, which is the model left alone."""
OWN = "own"
DELAY = 3
MODES = ("teacher_forced", "free_running")
MEASURED = ("token_accuracy", "exact_match")
"""Of symbols; of values all that `evaluate` measures."""

Make = Callable[[int, Batch], Intervention]
"""The intervention for a batch and its number."""


@dataclass(frozen=True)
class Effect:
    """A measure under an intervention, and how much it is above the model's own over the same examples."""

    value: Estimate
    change: Estimate


@dataclass(frozen=True)
class Interventions:
    """`measured`: intervention -> mode -> measure, the model's `own` first; `left_out`: what was not done, and why."""

    split: Split
    examples: int
    tokens: int
    delay: int
    shuffle_seed: int
    bootstrap_seed: int
    measured: dict[str, dict[str, dict[str, Effect]]]
    left_out: dict[str, str]

    def plain(self) -> dict[str, Any]:
        """What `seqtool intervene --json` prints of it, and `--save` keeps."""
        bootstrap = described(self.bootstrap_seed)
        return {name: value for name, value in asdict(self).items() if name != "bootstrap_seed"} | {
            "bootstrap": bootstrap
        }


@dataclass(frozen=True)
class Bench:
    """How a model is measured, and on what."""

    evaluator: Evaluator
    batches: Sequence[Batch]

    def scores(self, make: Make | None) -> dict[str, Scores | ValueScores]:
        """Its scores in each mode; None leaves it alone."""
        parts: dict[str, list[Any]] = {mode: [] for mode in MODES}
        for k, batch in enumerate(self.batches):
            if make is None:
                self._score(batch, parts)
                continue
            with intervened(self.evaluator.model.decoder, make(k, batch)):
                self._score(batch, parts)
        return {mode: type(found[0]).joined(found) for mode, found in parts.items()}

    def _score(self, batch: Batch, parts: dict[str, list[Any]]) -> None:
        how = self.evaluator
        with torch.inference_mode():
            logits = how.model(batch.to(how.device))[0].cpu()
        vocabulary, mask = how.task.target_vocabulary, batch.target_mask
        if vocabulary.modality == "continuous":
            taught: Scores | ValueScores = value_scores(logits, batch, how.metrics)
        else:
            taught = compared(logits.argmax(-1), mask, batch.target, mask, vocabulary)
        for mode, scores in zip(MODES, (taught, how.scores(batch)), strict=True):
            parts[mode].append(scores)


def intervene(bench: Bench, split: Split, only: tuple[str, ...], delay: int, shuffle_seed: int) -> Interventions:
    """Arguments and errors: see `Predictor.intervene`."""
    for name in only:
        if name not in INTERVENTIONS:
            nearest = nearest_name(name, INTERVENTIONS)
            raise MisuseError(f"no such intervention: {name!r}", allowed=INTERVENTIONS, nearest=nearest)
    if delay < 0:
        raise MisuseError(f"delay is a number of steps, from 0 on; got {delay}")
    if not sum(map(len, bench.batches)):
        raise SeqtoolError(f"the split {split!r} holds no example")
    num_heads = bench.evaluator.model.decoder.num_heads
    if not num_heads:
        raise SeqtoolError("this variant has no attention, so there are no weights to replace")
    own, bootstrap_seed = bench.scores(None), bench.evaluator.bootstrap_seed
    measured, left_out = {OWN: _effects(own, own, bootstrap_seed)}, {}
    for kind, name, make in _makers(num_heads, delay, shuffle_seed):
        if only and kind not in only:
            continue
        try:
            if kind == "gold":
                _refuse_without_gold(bench)
            measured[name] = _effects(bench.scores(make), own, bootstrap_seed)
        except PartError as error:
            if only:
                raise SeqtoolError(f"{kind}: {error}") from error
            left_out[name] = str(error)
    tokens = int(own[MODES[0]].tokens.sum())
    examples = len(own[MODES[0]])
    return Interventions(split, examples, tokens, delay, shuffle_seed, bootstrap_seed, measured, left_out)


def first_examples(batches: Iterable[Batch], count: int | None) -> list[Batch]:
    """The batches, cut after so many examples."""
    kept, left = [], count
    for batch in batches:
        kept.append(batch if left is None else batch[:left])
        left = None if left is None else left - len(kept[-1])
    return kept


def _makers(num_heads: int, delay: int, shuffle_seed: int) -> list[tuple[str, str, Make]]:
    """`(kind, name, how it is made)`: one for each kind, but for heads, each of which is one."""
    makers: dict[str, Make] = {
        "gold": lambda k, batch: Gold(batch.alignment, batch.source.shape[1]),
        "uniform": lambda k, batch: Uniform(),
        "shuffled": lambda k, batch: Shuffled(derive(shuffle_seed, k, "shuffled")),
        "previous": lambda k, batch: Delayed(1),
        "delayed": lambda k, batch: Delayed(delay),
        "top_1": lambda k, batch: TopOne(),
    }
    names = {"delayed": f"delayed_{delay}"}
    found = [(kind, names.get(kind, kind), make) for kind, make in makers.items()]
    return [*found, *(("head_off", f"head_off_{head}", _head_off(head)) for head in range(num_heads))]


def _head_off(head: int) -> Make:
    return lambda k, batch: HeadOff(head)


def _effects(
    scores: dict[str, Scores | ValueScores], own: dict[str, Scores | ValueScores], seed: int
) -> dict[str, dict[str, Effect]]:
    found = {}
    for mode in MODES:
        values, differences = estimates(scores[mode], seed), changes(scores[mode], own[mode], seed)
        names = MEASURED if isinstance(scores[mode], Scores) else values
        found[mode] = {name: Effect(values[name], differences[name]) for name in names}
    return found


def _refuse_without_gold(bench: Bench) -> None:
    """Raises PartError: no example says where its symbols come from."""
    if not any(bool((batch.alignment >= 0).any()) for batch in bench.batches):
        raise PartError("this task has no gold alignment")
