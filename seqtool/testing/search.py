"""The contract of a search, checked on small random models, with and without attention and end symbol."""

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
    """`build()` returns the search."""

    kind = "search"

    def model(self, vocabulary: Vocabulary, *, attention: bool = True) -> Seq2Seq:
        """A random model with parameters so large that symbols differ from step to step."""
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
        """Each model and its hypotheses."""
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
        """At most `max_length` symbols, exactly that many without an end symbol; `max_length` may be 1."""
        for model, found in self.cases():
            steps = found.ids.shape[2]
            self.expect(steps <= LENGTH, f"returns {steps} symbols for max_length {LENGTH}")
            if model.target_vocabulary.end is None:
                full = steps == LENGTH and bool(found.mask.all())
                self.expect(full, f"returns {steps} symbols, not {LENGTH}, without an end symbol")
        one = self.part().search(self.model(CLOSED), *self.source(), 1)
        self.expect(one.ids.shape[2] == 1, f"returns {one.ids.shape[2]} symbols for max_length 1")

    @rule
    def ends(self) -> None:
        """A hypothesis ends with the end symbol or has `max_length` symbols; no symbol follows an end symbol."""
        for model, found in self.cases():
            ids, mask = found.ids.flatten(0, 1), found.mask.flatten(0, 1)
            self.expect(is_prefix(mask), "a hypothesis continues after padding")
            self.expect(not ids[~mask].any(), "ids at padding are not 0")
            for row, (predicted, real) in enumerate(zip(ids, mask, strict=True)):
                words = predicted[real].tolist()
                closed = words.count(model.target_vocabulary.end)
                early = closed and words.index(model.target_vocabulary.end) < len(words) - 1
                self.expect(not early, f"hypothesis {row} continues after the end symbol: {words}")
                self.expect(
                    bool(closed) or len(words) == LENGTH, f"hypothesis {row} ends without an end symbol: {words}"
                )

    @rule
    def valid_symbols(self) -> None:
        """Ids are symbols that can be predicted, never the start symbol."""
        for model, found in self.cases():
            count = model.target_vocabulary.num_outputs
            inside = (found.ids >= 0) & (found.ids < count)
            self.expect(bool(inside.all()), f"returns ids outside 0 to {count - 1}: {found.ids[~inside][:3].tolist()}")

    @rule
    def scores_are_log_probabilities(self) -> None:
        """A score is the sum of the log-probabilities of the symbols, all observed by the model; best first."""
        for model, found in self.cases():
            for beam in range(found.ids.shape[1]):
                wanted, _ = _replay(model, *self.source(), found, beam)
                wrong = difference(found.scores[:, beam].double(), wanted, tolerance=1e-5)
                self.expect(wrong is None, f"a score is not the sum of its log-probabilities: {wrong}")
            ranks = self.part().rank(found.scores, found.mask.sum(2))
            self.expect(bool((ranks[:, 1:] <= ranks[:, :-1]).all()), "hypotheses are not sorted by score, best first")

    @rule
    def weights_of_the_model(self) -> None:
        """The weights are those of the model along the hypothesis."""
        for model, found in self.cases():
            if found.weights is None:
                continue
            for beam in range(found.ids.shape[1]):
                _, wanted = _replay(model, *self.source(), found, beam)
                real = found.mask[:, beam, None, :, None]
                wrong = difference(found.weights[:, beam] * real, wanted * real, tolerance=1e-5)
                self.expect(wrong is None, f"weights are not those of the model along the hypothesis: {wrong}")

    @rule
    def continuous_targets(self) -> None:
        """For continuous targets, unless it requires "symbols": `max_length` vectors, each fed to the next step."""
        part = self.part()
        if "symbols" in part.requires:
            return
        for attention in (True, False):
            model = self.model(NUMBERS, attention=attention)
            found = part.search(model, *self.source(), LENGTH)
            wanted = (BATCH, 1, LENGTH, NUMBERS.size)
            self.expect(found.ids.shape == wanted, f"returns vectors {list(found.ids.shape)}, not {list(wanted)}")
            self.expect(bool(found.mask.all()), "the mask is not True at all positions of continuous targets")
            self.expect(bool(found.scores.isnan().all()), "the score of continuous targets is not NaN")
            fixed, state = model.start(*self.source())
            vector, all_weights = torch.zeros(BATCH, NUMBERS.size), []
            for step in range(LENGTH):
                if step:
                    state = model.observe(vector, fixed, state)
                vector, weights, state = model.step(vector, fixed, state)
                wrong = difference(found.ids[:, 0, step], vector, tolerance=1e-5)
                self.expect(wrong is None, f"position {step} is not the model's output after its own vectors: {wrong}")
                all_weights.append(weights)
            given = None if found.weights is None else found.weights[:, 0]
            stacked = None if all_weights[0] is None else torch.stack(all_weights, 2)  # type: ignore[arg-type]
            alike = given is stacked is None or torch.allclose(given, stacked)  # type: ignore[arg-type]
            self.expect(alike, "the weights of continuous targets are not those of the model")

    @rule
    def rows(self) -> None:
        """The hypotheses of a source do not depend on the other rows of the batch, unless `stochastic`."""
        part, model = self.part(), self.model(CLOSED)
        source, mask = self.source()
        together = part.search(model, source, mask, LENGTH)
        if part.stochastic:
            return
        for row in range(BATCH):
            alone = part.search(model, source[row : row + 1], mask[row : row + 1], LENGTH)
            for beam in range(together.ids.shape[1]):
                pair = [x.ids[i, beam][x.mask[i, beam]].tolist() for x, i in ((together, row), (alone, 0))]
                self.expect(
                    pair[0] == pair[1], f"source {row} gives {pair[0]} in a batch and {pair[1]} as a batch of its own"
                )


def _replay(model: Seq2Seq, source: Tensor, mask: Tensor, found: Hypotheses, beam: int) -> tuple[Tensor, Tensor]:
    """The score and the weights of a hypothesis, computed by feeding it to the model."""
    fixed, state = model.start(source, mask)
    start = model.target_vocabulary.start
    assert start is not None
    ids = torch.full_like(source[:, 0], start)
    score, all_weights = torch.zeros(len(source), dtype=torch.float64), []
    for step, (predicted, real) in enumerate(
        zip(found.ids[:, beam].unbind(1), found.mask[:, beam].unbind(1), strict=True)
    ):
        if step:
            state = model.observe(ids, fixed, state)
        logits, weights, state = model.step(ids, fixed, state)
        log_probability = logits.log_softmax(-1).gather(1, predicted[:, None]).squeeze(1)
        score = score + log_probability.masked_fill(~real, 0)
        all_weights.append(logits.new_zeros(0) if weights is None else weights)
        ids = predicted
    return score, torch.stack(all_weights, 2) if all_weights[0].dim() == 3 else all_weights[0]


def check_search(build: Callable[..., Search], *, name: str = "") -> None:
    """Check a search against its contract. `build()` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    SearchContract(build, name=name).check()
