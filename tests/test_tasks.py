"""Tasks compared with plain loops."""

from typing import Any

import pytest
import torch

from seqtool.api import Batch, PartError
from seqtool.registry import default_registry

CPU = torch.device("cpu")


def task(name: str, **options: Any) -> Any:
    return default_registry().find("task", name).load()(**options)


def batch_of(made: Any, k: int = 0) -> Batch:
    return made.batch("train", k, seed=0, rank=0, batch_size=64, device=CPU)


def examples(made: Any, batch: Batch) -> list[tuple[list[str], list[str], list[int]]]:
    """Each example as symbols: source, target, gold alignment, without padding."""
    found = []
    for i in range(len(batch)):
        source = [made.source_vocabulary.symbols[j] for j in batch.source[i][batch.source_mask[i]].tolist()]
        target = [made.target_vocabulary.symbols[j] for j in batch.target[i][batch.target_mask[i]].tolist()]
        found.append((source, target, batch.alignment[i][batch.target_mask[i]].tolist()))
    return found


@pytest.mark.parametrize("ending", ["fixed", "eos"])
def test_alignment_picks_the_symbols_in_order(ending: str) -> None:
    made = task("alignment", source_length=13, target_length=5, symbols=3, ending=ending)
    batch = batch_of(made)
    assert batch.source.shape == (64, 13)
    assert batch.target.shape == (64, made.max_target_length)
    places = set()
    for source, target, gold in examples(made, batch):
        filled = [(place, symbol) for place, symbol in enumerate(source) if symbol != "_"]
        closing = [("</s>", -1)] if ending == "eos" else []
        assert list(zip(target, gold, strict=True)) == [(symbol, place) for place, symbol in filled] + closing
        assert len(filled) == 5
        places.update(gold)
    assert places - {-1} == set(range(13)), "symbols occur at every position"


def test_alignment_of_many_lengths() -> None:
    made = task(
        "alignment",
        source_length=11,
        target_length=5,
        min_source_length=7,
        min_target_length=2,
        symbols=2,
        ending="eos",
    )
    sources, targets = set(), set()
    for k in range(4):
        for source, target, gold in examples(made, batch_of(made, k)):
            assert [symbol for symbol in source if symbol != "_"] == target[:-1]
            assert [source[place] for place in gold[:-1]] == target[:-1]
            assert target[-1] == "</s>"
            sources.add(len(source))
            targets.add(len(target) - 1)
    assert sources == {7, 8, 9, 10, 11}
    assert targets == {2, 3, 4, 5}


def test_a_target_is_never_longer_than_its_own_source() -> None:
    made = task("alignment", source_length=6, target_length=6, min_source_length=2, min_target_length=1)
    for source, target, _ in examples(made, batch_of(made)):
        assert 1 <= len(target) <= len(source)


@pytest.mark.parametrize("name", ["copy", "reverse"])
def test_copy_and_reverse(name: str) -> None:
    made = task(name, length=9, min_length=4, symbols=30, ending="eos")
    seen = set()
    for source, target, gold in examples(made, batch_of(made)):
        wanted = source if name == "copy" else source[::-1]
        assert target == [*wanted, "</s>"]
        assert [source[place] for place in gold[:-1]] == wanted
        seen.add(len(source))
    assert seen == {4, 5, 6, 7, 8, 9}


def test_a_batch_is_indexed_by_rows() -> None:
    batch = batch_of(task("copy", length=7, min_length=2))
    some = batch[3:5]
    assert len(some) == 2
    for name in ("source", "source_mask", "target", "target_mask", "alignment"):
        for i in range(2):
            assert getattr(some, name)[i].tolist() == getattr(batch, name)[3 + i].tolist()
    assert len(batch[62:100]) == 2


def test_symbols_are_approximately_uniform() -> None:
    made = task("alignment", source_length=20, target_length=20, symbols=4)
    counts = torch.bincount(batch_of(made).target.flatten(), minlength=4) / (64 * 20)
    assert counts.tolist() == pytest.approx([0.25] * 4, abs=0.05)


def test_the_blank_is_the_zero_vector() -> None:
    made = task("alignment", source_length=5, target_length=2, symbols=3)
    one_hot = default_registry().find("embedding", "one_hot").load()
    table = one_hot(made.source_vocabulary)(torch.arange(4)[None])[0]
    assert table.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    targets = one_hot(made.target_vocabulary)(torch.arange(4)[None])[0]
    assert targets.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], "the start symbol is the zero vector"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"source_length": 5, "target_length": 6}, "target_length"),
        ({"source_length": 5, "target_length": 2, "min_source_length": 6}, "min_source_length"),
        ({"source_length": 5, "target_length": 4, "min_source_length": 3, "min_target_length": 4}, "min_target_length"),
    ],
)
def test_invalid_lengths_are_refused(options: dict[str, int], fault: str) -> None:
    with pytest.raises(PartError) as caught:
        task("alignment", **options)
    assert caught.value.option == fault


@pytest.mark.parametrize("name", ["adding", "multiplication"])
@pytest.mark.parametrize("length", [11, 30, 50])
def test_two_values_are_marked(name: str, length: int) -> None:
    made = task(name, length=length)
    lengths, firsts, seconds, values = set(), set(), set(), []
    for k in range(8):
        batch = batch_of(made, k)
        assert batch.source.shape == (64, length * 11 // 10, 2)
        assert (batch.alignment == -1).all(), "ambiguous, so no position"
        for source, mask, target in zip(batch.source, batch.source_mask, batch.target, strict=True):
            rows = source[mask].tolist()
            marks = [mark for _, mark in rows]
            places = [j for j, mark in enumerate(marks) if mark == 1]
            assert (marks[0], marks[-1], len(places)) == (-1, -1, 2)
            assert marks.count(0) == len(rows) - 4
            half, (a, b) = len(rows) // 2 - 2, places
            assert any(1 <= p <= 9 and 1 <= q <= half for p, q in ((a, b), (b, a)))
            one, other = rows[a][0], rows[b][0]
            wanted = 0.5 + (one + other) / 4 if name == "adding" else one * other
            assert float(target) == pytest.approx(wanted, abs=1e-6)
            lengths.add(len(rows))
            firsts.add(a)
            seconds.add(b)
            values += [value for value, _ in rows]
    assert lengths == set(range(length, length * 11 // 10 + 1))
    assert min(firsts) == 1
    assert max(seconds) == max(9, length * 11 // 10 // 2 - 2)
    low = -1 if name == "adding" else 0
    assert low <= min(values) < low + 0.02
    assert 0.98 < max(values) <= 1
    assert sum(values) / len(values) == pytest.approx((low + 1) / 2, abs=0.02)


def test_a_source_too_short_for_its_markers() -> None:
    with pytest.raises(PartError, match="10 positions are too few for the markers") as caught:
        task("adding", length=10)
    assert caught.value.option == "length"
