"""Measure a trained model under interventions on its attention weights, against the unchanged model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from seqtool.build.torch_settings import default_settings
from seqtool.errors import MisuseError, PartError, SeqtoolError, nearest_name
from seqtool.inference.estimates import Estimate, differences, estimates
from seqtool.inference.evaluation import Evaluator
from seqtool.inference.interventions import Delayed, Gold, HeadOff, Shuffled, TopOne, Uniform
from seqtool.inference.scores import Scores, SymbolScores, score_continuous, score_symbols
from seqtool.nn.accepted_targets import accept_next_symbols, accepted_targets, compare_ids
from seqtool.nn.attention import intervened
from seqtool.parts.batch import Batch
from seqtool.parts.intervention import Intervention
from seqtool.parts.task import Split
from seqtool.randomness import derive
from seqtool.statistics.bootstrap import described

INTERVENTIONS = ("gold", "uniform", "shuffled", "previous", "delayed", "top_1", "head_off")
OWN = "own"
"""The name of the unchanged model among the results."""
DELAY = 3
MODES = ("teacher_forced", "free_running")
SYMBOL_MEASURES = ("token_accuracy", "exact_match")
"""The measures of symbols; of continuous targets all that `evaluate` computes."""

Make = Callable[[int, Batch], Intervention]
"""(number of a batch, the batch) -> its intervention."""


@dataclass(frozen=True)
class Effect:
    """A measure under an intervention, and its change from the unchanged model on the same examples."""

    value: Estimate
    change: Estimate


@dataclass(frozen=True)
class InterventionEffects:
    """`measured`: intervention -> mode -> measure, `own` first. `left_out`: intervention -> why it was omitted."""

    split: Split
    examples: int
    tokens: int
    delay: int
    shuffle_seed: int
    bootstrap_seed: int
    measured: dict[str, dict[str, dict[str, Effect]]]
    left_out: dict[str, str]

    def plain(self) -> dict[str, Any]:
        """The content of `seqtool intervene --json`, which `--save` writes."""
        content = asdict(self) | {"bootstrap": described(self.bootstrap_seed)}
        del content["bootstrap_seed"]
        return content


@default_settings()
def intervention_effects(
    evaluator: Evaluator,
    batches: Sequence[Batch],
    split: Split,
    only: tuple[str, ...],
    delay: int,
    shuffle_seed: int,
) -> InterventionEffects:
    """Arguments and errors: see `Predictor.intervene`."""
    for name in only:
        if name not in INTERVENTIONS:
            nearest = nearest_name(name, INTERVENTIONS)
            raise MisuseError(f"no such intervention: {name!r}", allowed=INTERVENTIONS, nearest=nearest)
    if delay < 0:
        raise MisuseError(f"delay must be at least 0 steps; got {delay}")
    if not sum(map(len, batches)):
        raise SeqtoolError(f"the split {split!r} has no examples")
    num_heads = evaluator.model.decoder.num_heads
    if not num_heads:
        raise SeqtoolError("this variant has no attention, so there are no attention weights to replace")
    own, bootstrap_seed = _scores(evaluator, batches, None), evaluator.bootstrap_seed
    measured, left_out = {OWN: _effects(own, own, bootstrap_seed)}, {}
    for kind, name, make in _makers(num_heads, delay, shuffle_seed):
        if only and kind not in only:
            continue
        try:
            if kind == "gold" and not any(bool((batch.alignment >= 0).any()) for batch in batches):
                raise PartError("this task has no gold alignment")
            measured[name] = _effects(_scores(evaluator, batches, make), own, bootstrap_seed)
        except PartError as error:
            if only:
                raise SeqtoolError(f"{kind}: {error}") from error
            left_out[name] = str(error)
    examples, tokens = len(own[MODES[0]]), int(own[MODES[0]].tokens.sum())
    return InterventionEffects(split, examples, tokens, delay, shuffle_seed, bootstrap_seed, measured, left_out)


@default_settings()
def first_examples(batches: Iterable[Batch], count: int | None) -> list[Batch]:
    """The batches up to `count` examples, the last one cut; all if None."""
    kept, left = [], count
    for batch in batches:
        kept.append(batch if left is None else batch[:left])
        left = None if left is None else left - len(kept[-1])
    return kept


def _makers(num_heads: int, delay: int, shuffle_seed: int) -> list[tuple[str, str, Make]]:
    """`(kind, name, make)` of each intervention; "head_off" has one for each head."""
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


def _scores(evaluator: Evaluator, batches: Sequence[Batch], make: Make | None) -> dict[str, Scores]:
    """The scores in each mode under an intervention; None for the unchanged model."""
    parts: dict[str, list[Any]] = {mode: [] for mode in MODES}
    for k, batch in enumerate(batches):
        if make is None:
            found = _score_batch(evaluator, batch)
        else:
            with intervened(evaluator.model.decoder, make(k, batch)):
                found = _score_batch(evaluator, batch)
        for mode, scores in zip(MODES, found, strict=True):
            parts[mode].append(scores)
    return {mode: type(found[0]).concatenate(found) for mode, found in parts.items()}


def _score_batch(evaluator: Evaluator, batch: Batch) -> tuple[Scores, Scores]:
    """The scores of a batch, teacher-forced and free-running."""
    with torch.inference_mode():
        outputs = evaluator.model(batch.to(evaluator.device))[0].cpu()
    vocabulary, mask = evaluator.task.target_vocabulary, batch.target_mask
    if vocabulary.modality == "continuous":
        return score_continuous(outputs, batch, evaluator.metrics), evaluator.score(batch)
    predicted = outputs.argmax(-1)
    target = accept_next_symbols(batch, predicted, accepted_targets(evaluator.task, batch)).target
    comparison = compare_ids(predicted, mask, target, mask, vocabulary)
    return score_symbols(comparison, vocabulary), evaluator.score(batch)


def _effects(scores: dict[str, Scores], own: dict[str, Scores], seed: int) -> dict[str, dict[str, Effect]]:
    found = {}
    for mode in MODES:
        values, changes = estimates(scores[mode], seed), differences(scores[mode], own[mode], seed)
        names = SYMBOL_MEASURES if isinstance(scores[mode], SymbolScores) else values
        found[mode] = {name: Effect(values[name], changes[name]) for name in names}
    return found
