"""Beam search and sampling, compared with all hypotheses, with greedy search, and by counts."""

import itertools
import math
from typing import Any

import pytest
import torch
from registered import names
from torch import Tensor

import seqtool
from seqtool.errors import RecipeError
from seqtool.nn.model import Seq2Seq
from seqtool.parts.search import Hypotheses
from seqtool.parts.vocabulary import Vocabulary
from seqtool.testing.search import CLOSED, OPEN, SearchContract

LENGTH = 4


def model_of(vocabulary: Vocabulary) -> tuple[Seq2Seq, Tensor, Tensor]:
    contract = SearchContract(lambda: None)
    return contract.model(vocabulary), *contract.source()


def every_hypothesis(model: Seq2Seq, source: Tensor, mask: Tensor, penalty: float) -> list[tuple[float, list[int]]]:
    """All ended or full sequences of up to `LENGTH` symbols, ranked by scores from feeding each to the model."""
    vocabulary = model.target_vocabulary
    found = []
    for length in range(1, LENGTH + 1):
        for words in itertools.product(range(vocabulary.num_outputs), repeat=length):
            ends = vocabulary.end in words
            if (ends and words.index(vocabulary.end) < length - 1) or (not ends and length < LENGTH):
                continue
            fixed, state = model.start(source, mask)
            score, last = 0.0, torch.tensor([vocabulary.start])
            for place, word in enumerate(words):
                if place:
                    state = model.observe(last, fixed, state)
                logits, _, state = model.step(last, fixed, state)
                score += float(logits.log_softmax(-1)[0, word])
                last = torch.tensor([word])
            found.append((score / ((5 + length) / 6) ** penalty, list(words)))
    return sorted(found, reverse=True)


def written(found: Hypotheses, row: int) -> list[list[int]]:
    return [ids[real].tolist() for ids, real in zip(found.ids[row], found.mask[row], strict=True)]


@pytest.mark.parametrize("vocabulary", [OPEN, CLOSED], ids=["open", "closed"])
@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
def test_a_sufficiently_wide_beam_finds_the_best_hypotheses(vocabulary: Vocabulary, penalty: float) -> None:
    model, source, mask = model_of(vocabulary)
    beam = seqtool.make("search/beam", size=3**LENGTH, length_penalty=penalty, best=5)
    found = beam.search(model, source, mask, LENGTH)
    for row in range(len(source)):
        wanted = every_hypothesis(model, source[row : row + 1], mask[row : row + 1], penalty)[:5]
        assert written(found, row) == [words for _, words in wanted]
        ranks = beam.rank(found.scores, found.mask.sum(2))[row]
        assert ranks.tolist() == pytest.approx([rank for rank, _ in wanted], abs=1e-6)


def narrow_beam(
    model: Seq2Seq, source: Tensor, mask: Tensor, size: int, penalty: float, best: int
) -> list[tuple[float, list[int]]]:
    """Beam search for one source with lists, without early stopping."""
    vocabulary = model.target_vocabulary
    fixed, state = model.start(source, mask)
    live: list[tuple[float, list[int], Any]] = [(0.0, [], state)]
    done: list[tuple[float, list[int]]] = []
    for length in range(1, LENGTH + 1):
        ways = []
        for score, words, before in live:
            last = torch.tensor([words[-1] if words else vocabulary.start])
            before = model.observe(last, fixed, before) if words else before
            logits, _, after = model.step(last, fixed, before)
            log_p = logits.log_softmax(-1)[0].tolist()
            ways += [(score + p, [*words, word], after) for word, p in enumerate(log_p)]
        ways = sorted(ways, key=lambda way: -way[0])[: size - len(done)]
        live = []
        for score, words, after in ways:
            if words[-1] == vocabulary.end or length == LENGTH:
                done.append((score / ((5 + length) / 6) ** penalty, words))
            else:
                live.append((score, words, after))
    return sorted(done, reverse=True)[:best]


@pytest.mark.parametrize("vocabulary", [OPEN, CLOSED], ids=["open", "closed"])
@pytest.mark.parametrize(("size", "best"), [(2, 1), (2, 2), (3, 1), (5, 3)])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_early_stopping_does_not_change_the_result(
    vocabulary: Vocabulary, size: int, best: int, penalty: float
) -> None:
    model, source, mask = model_of(vocabulary)
    beam = seqtool.make("search/beam", size=size, best=best, length_penalty=penalty)
    found = beam.search(model, source, mask, LENGTH)
    for row in range(len(source)):
        wanted = narrow_beam(model, source[row : row + 1], mask[row : row + 1], size, penalty, best)
        assert written(found, row) == [words for _, words in wanted]


@pytest.mark.parametrize("vocabulary", [OPEN, CLOSED], ids=["open", "closed"])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_of_one_equals_greedy_search(vocabulary: Vocabulary, penalty: float) -> None:
    model, source, mask = model_of(vocabulary)
    greedy = seqtool.make("search/greedy").search(model, source, mask, 9)
    beam = seqtool.make("search/beam", size=1, length_penalty=penalty).search(model, source, mask, 9)
    assert torch.equal(beam.ids, greedy.ids)
    assert torch.equal(beam.mask, greedy.mask)
    torch.testing.assert_close(beam.scores, greedy.scores)
    torch.testing.assert_close(beam.weights, greedy.weights)


@pytest.mark.parametrize("best", [0, 1, 2], ids=["greedy", "beam", "two of a beam"])
def test_rows_that_have_ended_leave_the_batch(best: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, source, mask = model_of(CLOSED)
    torch.manual_seed(0)
    source, mask = torch.randint_like(source[:1].expand(64, -1), 3), mask[:1].expand(64, -1)
    for parameter in model.decoder.readout_layer.parameters():
        parameter.data.mul_(5)
    sizes, step = [], model.step
    monkeypatch.setattr(model, "step", lambda ids, *rest: (sizes.append(len(ids)), step(ids, *rest))[1])
    search = seqtool.make("search/beam", size=3, best=best) if best else seqtool.make("search/greedy")
    found = search.search(model, source, mask, 9)
    assert sizes[0] == 64 * (3 if best else 1) > sizes[-1]
    for row in range(64):
        alone = search.search(model, source[row : row + 1], mask[row : row + 1], 9)
        assert written(found, row) == written(alone, 0)
        torch.testing.assert_close(found.scores[row], alone.scores[0])
        length = alone.ids.shape[2]
        assert found.weights is not None
        assert alone.weights is not None
        torch.testing.assert_close(found.weights[row, :, :, :length], alone.weights[0])
        assert not found.weights[row, :, :, length:].any()


@pytest.mark.parametrize("search", names("search"))
def test_checking_rarely_for_ended_hypotheses_does_not_change_the_result(
    search: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, source, mask = model_of(CLOSED)
    model.decoder.readout_layer.map.bias.data[CLOSED.end] += 1.0  # makes all hypotheses end soon
    always = seqtool.make(f"search/{search}").search(model, source, mask, 20)
    monkeypatch.setattr(f"seqtool_search.{search}.is_check_step", lambda step, device: step % 8 == 7)
    taken, step = [], model.step
    monkeypatch.setattr(model, "step", lambda *given: (taken.append(1), step(*given))[1])
    seldom = seqtool.make(f"search/{search}").search(model, source, mask, 20)
    assert len(taken) in (8, 16)
    assert always.ids.shape[2] < len(taken)
    for one, other in zip(always, seldom, strict=True):
        torch.testing.assert_close(one, other)


def test_a_beam_larger_than_the_number_of_hypotheses() -> None:
    model, source, mask = model_of(CLOSED)
    found = seqtool.make("search/beam", size=6, best=5).search(model, source, mask, 1)
    assert found.scores.isfinite().sum(1).tolist() == [3] * len(source)
    assert not found.mask[:, 3:].any()


def test_more_hypotheses_than_the_beam_size_are_refused() -> None:
    with pytest.raises(RecipeError, match="a beam of 2 holds no 3 hypotheses"):
        seqtool.make("search/beam", size=2, best=3)


def drawn(**options: Any) -> dict[tuple[int, ...], int]:
    """Counts of the first symbol for the first source, in 4,000 samples."""
    model, source, mask = model_of(OPEN)
    found = seqtool.make("search/sample", samples=4000, **options).search(model, source[:1], mask[:1], 1)
    counts = found.ids[0, :, 0].bincount(minlength=3).tolist()
    return dict(zip(range(3), counts, strict=True))


def first_symbol(temperature: float = 1.0) -> list[float]:
    model, source, mask = model_of(OPEN)
    fixed, state = model.start(source[:1], mask[:1])
    logits = model.step(torch.tensor([OPEN.start]), fixed, state)[0][0].tolist()
    total = sum(math.exp(x / temperature) for x in logits)
    return [math.exp(x / temperature) / total for x in logits]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_have_the_models_probabilities(temperature: float) -> None:
    wanted = first_symbol(temperature)
    for symbol, count in drawn(temperature=temperature).items():
        spread = math.sqrt(4000 * wanted[symbol] * (1 - wanted[symbol]))
        assert abs(count - 4000 * wanted[symbol]) < 4 * spread + 1


def test_top_k_and_top_p_exclude_other_symbols() -> None:
    p = first_symbol()
    order = sorted(range(3), key=lambda symbol: -p[symbol])
    counts = drawn(top_k=2)
    assert counts[order[2]] == 0
    share = p[order[0]] / (p[order[0]] + p[order[1]])
    assert counts[order[0]] / 4000 == pytest.approx(share, abs=0.03)
    assert drawn(top_k=1)[order[0]] == 4000
    assert drawn(top_p=p[order[0]] * 0.9)[order[0]] == 4000
    assert drawn(top_p=p[order[0]] + 0.5 * p[order[1]])[order[2]] == 0


def test_sample_depends_only_on_the_seed() -> None:
    model, source, mask = model_of(CLOSED)
    first, again, other = (
        seqtool.make("search/sample", seed=seed).search(model, source, mask, 9).ids for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)
