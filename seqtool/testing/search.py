"""The contract of a search, as rules. It is tried on small random models with and without attention and end symbol."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqtool.nn.model import Seq2Seq
from seqtool.parts.search import Hypotheses, Search
from seqtool.parts.vocabulary import Continuous, Vocabulary
from seqtool.testing.contract import Contract, rule
from seqtool.testing.differences import Outputs, difference, is_prefix
from seqtool.testing.stand_ins import (
    ObservingDecoder,
    StandInContinuousEmbedding,
    StandInEmbedding,
    StandInEncoder,
)

BATCH, SOURCE, LENGTH = 11, 7, 5
OPEN = Vocabulary(("a", "b", "c", "<s>"), start=3)
CLOSED = Vocabulary(("a", "b", "</s>", "<s>"), start=3, end=2)
NUMBERS = Continuous(size=2)


class SearchContract(Contract):
    """`build()` makes the search."""

    kind = "search"

    def model(self, vocabulary: Vocabulary, *, attention: bool = True) -> Seq2Seq:
        """A random model, decided enough that symbols differ from step to step."""
        size = StandInEmbedding.output_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            target = StandInContinuousEmbedding if isinstance(vocabulary, Continuous) else StandInEmbedding
            embeddings = (StandInEmbedding(OPEN), target(vocabulary))
            encoder = StandInEncoder(size)
            decoder = ObservingDecoder(
                size, encoder.memory_size, encoder.final_sizes, vocabulary.num_outputs, attention=attention
            )
        model = Seq2Seq(*embeddings, encoder, decoder, vocabulary).double().eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False).mul_(2)
        return model

    def source(self) -> tuple[Tensor, Tensor]:
        """Random ids and a mask; the last two rows are equal."""
        generator = torch.Generator().manual_seed(1)
        source = torch.randint(4, (BATCH, SOURCE), generator=generator)
        length = torch.tensor([SOURCE - row % 5 for row in range(BATCH)])
        source[-1], length[-1] = source[-2], length[-2]
        mask = torch.arange(SOURCE) < length[:, None]
        return source.masked_fill(~mask, 0), mask

    def cases(self) -> list[tuple[Seq2Seq, Hypotheses]]:
        """What the search finds in each model."""
        part, found = self.part(), []
        for vocabulary in (OPEN, CLOSED):
            for attention in (True, False):
                model = self.model(vocabulary, attention=attention)
                found.append((model, part.search(model, *self.source(), LENGTH)))
        return found

    def exercise(self, part: Any) -> Outputs:
        """See `Contract.exercise`."""
        found = part.search(self.model(CLOSED), *self.source(), LENGTH)
        outputs = {"ids": found.ids, "mask": found.mask, "scores": found.scores}
        return outputs if found.weights is None else outputs | {"weights": found.weights}

    @rule
    def shapes(self) -> None:
        """Hypotheses have the shapes of `Hypotheses`; weights are None for a model without attention."""
        for model, found in self.cases():
            batch, beams, steps = found.ids.shape
            self.expect(batch == BATCH, f"{BATCH} sources give ids {list(found.ids.shape)}")
            self.expect(found.mask.shape == found.ids.shape, f"the mask has the shape {list(found.mask.shape)}")
            self.expect(found.mask.dtype == torch.bool, f"the mask is {found.mask.dtype}, not bool")
            shape = tuple(found.scores.shape)
            self.expect(shape == (batch, beams), f"scores have the shape {list(shape)}, not {[batch, beams]}")
            heads = model.decoder.num_heads
            wanted = (batch, beams, heads, steps, SOURCE) if heads else None
            weights = None if found.weights is None else tuple(found.weights.shape)
            self.expect(weights == wanted, f"weights are {weights}, not {wanted}")

    @rule
    def lengths(self) -> None:
        """At most `max_length` symbols, exactly that many where no end symbol is; one symbol may be asked for."""
        for model, found in self.cases():
            steps = found.ids.shape[2]
            self.expect(steps <= LENGTH, f"writes {steps} symbols where max_length is {LENGTH}")
            if model.target_vocabulary.end is None:
                full = steps == LENGTH and bool(found.mask.all())
                self.expect(full, f"writes {steps} symbols, not all {LENGTH}, where there is no end symbol")
        one = self.part().search(self.model(CLOSED), *self.source(), 1)
        self.expect(one.ids.shape[2] == 1, f"writes {one.ids.shape[2]} symbols where max_length is 1")

    @rule
    def ends(self) -> None:
        """A hypothesis ends with the end symbol, or with `max_length` symbols; nothing comes after an end symbol."""
        for model, found in self.cases():
            ids, mask = found.ids.flatten(0, 1), found.mask.flatten(0, 1)
            self.expect(is_prefix(mask), "a hypothesis goes on after padding")
            self.expect(not ids[~mask].any(), "ids at padding are not 0")
            for row, (written, real) in enumerate(zip(ids, mask, strict=True)):
                words = written[real].tolist()
                closed = words.count(model.target_vocabulary.end)
                early = closed and words.index(model.target_vocabulary.end) < len(words) - 1
                self.expect(not early, f"hypothesis {row} goes on after the end symbol: {words}")
                self.expect(bool(closed) or len(words) == LENGTH, f"hypothesis {row} stops before any end: {words}")

    @rule
    def writes_symbols(self) -> None:
        """Ids are symbols that may be predicted, never the start symbol."""
        for model, found in self.cases():
            count = model.target_vocabulary.num_outputs
            inside = (found.ids >= 0) & (found.ids < count)
            self.expect(bool(inside.all()), f"writes ids outside 0 to {count - 1}: {found.ids[~inside][:3].tolist()}")

    @rule
    def scores_are_log_probabilities(self) -> None:
        """A score is the sum of the log-probabilities of its symbols, which the model observes; best first."""
        for model, found in self.cases():
            for beam in range(found.ids.shape[1]):
                wanted, _ = _replay(model, *self.source(), found, beam)
                wrong = difference(found.scores[:, beam].double(), wanted, tolerance=1e-5)
                self.expect(wrong is None, f"a score is not the sum of its log-probabilities: {wrong}")
            ranks = self.part().rank(found.scores, found.mask.sum(2))
            self.expect(bool((ranks[:, 1:] <= ranks[:, :-1]).all()), "hypotheses are not sorted, the best first")

    @rule
    def weights_belong(self) -> None:
        """Weights are those that the model had when it wrote the symbol."""
        for model, found in self.cases():
            if found.weights is None:
                continue
            for beam in range(found.ids.shape[1]):
                _, wanted = _replay(model, *self.source(), found, beam)
                real = found.mask[:, beam, None, :, None]
                wrong = difference(found.weights[:, beam] * real, wanted * real, tolerance=1e-5)
                self.expect(wrong is None, f"weights are not the model's own along the hypothesis: {wrong}")

    @rule
    def writes_continuous_targets(self) -> None:
        """Without requiring "symbols", it outputs `max_length` vectors, each fed to the next step, after zeros."""
        part = self.part()
        if "symbols" in part.requires:
            return
        for attention in (True, False):
            model = self.model(NUMBERS, attention=attention)
            found = part.search(model, *self.source(), LENGTH)
            wanted = (BATCH, 1, LENGTH, NUMBERS.size)
            self.expect(found.ids.shape == wanted, f"writes values {list(found.ids.shape)}, not {list(wanted)}")
            self.expect(bool(found.mask.all()), "values have no end, and not all are marked as written")
            self.expect(bool(found.scores.isnan().all()), "the score of values is not NaN")
            fixed, state = model.start(*self.source())
            vector, looked = torch.zeros(BATCH, NUMBERS.size), []
            for step in range(LENGTH):
                if step:
                    state = model.observe(vector, fixed, state)
                vector, weights, state = model.step(vector, fixed, state)
                wrong = difference(found.ids[:, 0, step], vector, tolerance=1e-5)
                self.expect(wrong is None, f"position {step} is not what the model says after its own values: {wrong}")
                looked.append(weights)
            given = None if found.weights is None else found.weights[:, 0]
            stacked = None if looked[0] is None else torch.stack(looked, 2)  # type: ignore[arg-type]
            alike = given is stacked is None or torch.allclose(given, stacked)  # type: ignore[arg-type]
            self.expect(alike, "weights of values are not the model's own")

    @rule
    def rows(self) -> None:
        """A source alone gives what it gives in a batch, unless the search says that it is `stochastic`."""
        part, model = self.part(), self.model(CLOSED)
        source, mask = self.source()
        together = part.search(model, source, mask, LENGTH)
        if part.stochastic:
            return
        for row in range(BATCH):
            alone = part.search(model, source[row : row + 1], mask[row : row + 1], LENGTH)
            for beam in range(together.ids.shape[1]):
                pair = [x.ids[i, beam][x.mask[i, beam]].tolist() for x, i in ((together, row), (alone, 0))]
                self.expect(pair[0] == pair[1], f"source {row} gives {pair[0]} in a batch and {pair[1]} alone")


def _replay(model: Seq2Seq, source: Tensor, mask: Tensor, found: Hypotheses, beam: int) -> tuple[Tensor, Tensor]:
    """The score and the weights of a hypothesis, found by feeding it to the model."""
    fixed, state = model.start(source, mask)
    start = model.target_vocabulary.start
    assert start is not None
    ids = torch.full_like(source[:, 0], start)
    score, all_weights = torch.zeros(len(source), dtype=torch.float64), []
    for step, (written, real) in enumerate(
        zip(found.ids[:, beam].unbind(1), found.mask[:, beam].unbind(1), strict=True)
    ):
        if step:
            state = model.observe(ids, fixed, state)
        logits, weights, state = model.step(ids, fixed, state)
        log_probability = logits.log_softmax(-1).gather(1, written[:, None]).squeeze(1)
        score = score + log_probability.masked_fill(~real, 0)
        all_weights.append(logits.new_zeros(0) if weights is None else weights)
        ids = written
    return score, torch.stack(all_weights, 2) if all_weights[0].dim() == 3 else all_weights[0]


def check_search(build: Callable[..., Search], *, name: str = "") -> None:
    """Hold a search against its contract. `build()` makes it.

    Raises:
        ContractViolation: what is wrong, in words.
    """
    SearchContract(build, name=name).check()
