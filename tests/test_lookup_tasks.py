"""Tasks that count, sort, add and look up, compared with plain loops."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import torch
from test_tasks import batch_of, examples, task

from seqtool.api import PartError

ENDINGS = pytest.mark.parametrize("ending", ["fixed", "eos"])


def closing(ending: str) -> list[str]:
    return ["</s>"] if ending == "eos" else []


def pointed_at(source: list[str], gold: list[int]) -> list[str]:
    """The source symbols at the positions of a gold alignment."""
    return [source[place] for place in gold if place >= 0]


@ENDINGS
def test_repeat_copy_repeats_the_given_number_of_times(ending: str) -> None:
    made = task("repeat_copy", length=5, repeats=4, symbols=30, min_length=2, min_repeats=2, ending=ending)
    seen = set()
    for k in range(3):
        for source, target, gold in examples(made, batch_of(made, k)):
            *symbols, number = source
            times = int(number.removeprefix("x"))
            wanted: list[str] = []
            for _ in range(times):
                wanted += symbols
            assert target == wanted + closing(ending)
            assert gold == list(range(len(symbols))) * times + [-1] * (ending == "eos")
            seen.add((len(symbols), times))
    assert seen == {(length, times) for length in (2, 3, 4, 5) for times in (2, 3, 4)}
    assert made.max_target_length == 20 + (ending == "eos")


@ENDINGS
def test_sort_is_stable(ending: str) -> None:
    made = task("sort", length=9, min_length=1, symbols=4, ending=ending)
    lengths = set()
    for source, target, gold in examples(made, batch_of(made)):
        pairs = sorted((symbol, place) for place, symbol in enumerate(source))
        assert target == [symbol for symbol, _ in pairs] + closing(ending)
        assert gold == [place for _, place in pairs] + [-1] * (ending == "eos")
        lengths.add(len(source))
    assert lengths == set(range(1, 10))


def test_sort_uses_the_order_of_the_vocabulary() -> None:
    made = task("sort", length=40, symbols=30)
    order = list(made.target_vocabulary.symbols)
    for _, target, _ in examples(made, batch_of(made)):
        ranks = [order.index(symbol) for symbol in target]
        assert all(a <= b for a, b in pairwise(ranks))


@ENDINGS
@pytest.mark.parametrize(("least", "most", "lengths"), [(3, 9, {4, 6, 8}), (2, 2, {2}), (None, 7, {6})])
def test_bigram_flip(ending: str, least: int | None, most: int, lengths: set[int]) -> None:
    made = task("bigram_flip", length=most, min_length=least, symbols=30, ending=ending)
    seen = set()
    for source, target, gold in examples(made, batch_of(made)):
        wanted = []
        for i in range(0, len(source), 2):
            wanted += [source[i + 1], source[i]]
        assert target == wanted + closing(ending)
        assert pointed_at(source, gold) == wanted
        assert sorted(gold)[-len(source) :] == list(range(len(source)))
        seen.add(len(source))
    assert seen == lengths


@ENDINGS
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("least", "most"), [(1, 3), (2, 2), (1, 18), (18, 18)])
def test_addition_adds(ending: str, reverse: bool, least: int, most: int) -> None:
    made = task("addition", digits=most, min_digits=least, reverse_target=reverse, ending=ending)
    counts: Counter[int] = Counter()
    for k in range(4):
        for source, target, gold in examples(made, batch_of(made, k)):
            numbers = "".join(source).split("+")
            assert [str(int(number)) for number in numbers] == numbers, "no zeros before a number"
            total = str(int(numbers[0]) + int(numbers[1]))
            assert target == list(total[::-1] if reverse else total) + closing(ending)
            assert set(gold) == {-1}
            counts.update(len(number) for number in numbers)
    assert set(counts) == set(range(least, most + 1))
    assert min(counts.values()) > 512 / (most - least + 1) / 2


def test_every_small_sum_occurs() -> None:
    made = task("addition", digits=1)
    sums = {"".join(source) for k in range(20) for source, _, _ in examples(made, batch_of(made, k))}
    assert sums == {f"{a}+{b}" for a in range(10) for b in range(10)}


@ENDINGS
def test_associative_recall_returns_the_item_after_the_query(ending: str) -> None:
    made = task("associative_recall", items=5, item_length=2, symbols=3, ending=ending)
    counts, places = set(), set()
    for source, target, gold in examples(made, batch_of(made)):
        listed, asked = " ".join(source).split(" <query> ")
        items = [item.split() for item in listed.split("<item>")[1:]]
        assert all(len(item) == 2 for item in items)
        assert len({tuple(item) for item in items}) == len(items), "items differ"
        (place,) = [i for i, item in enumerate(items[:-1]) if item == asked.split()]
        assert target == items[place + 1] + closing(ending)
        assert pointed_at(source, gold) == items[place + 1]
        assert gold[0] == 3 * (place + 1) + 1
        counts.add(len(items))
        places.add(place)
    assert counts == {2, 3, 4, 5}
    assert places == {0, 1, 2, 3}


def test_items_may_use_the_whole_vocabulary() -> None:
    made = task("associative_recall", items=8, min_items=8, item_length=3, symbols=2)
    first: Counter[str] = Counter()
    for k in range(8):
        for source, _, _ in examples(made, batch_of(made, k)):
            items = " ".join(source).split("<query>")[0].split("<item>")[1:]
            assert len(set(items)) == 8
            first[items[0]] += 1
    assert len(first) == 8
    assert all(40 < count < 90 for count in first.values()), "512 draws, 64 for each item"


@ENDINGS
@pytest.mark.parametrize("noise", [False, True])
def test_mqar_returns_values_in_the_order_of_queries(ending: str, noise: bool) -> None:
    made = task("mqar", length=26, pairs=5, symbols=40, noise=noise, ending=ending)
    gaps: Counter[int] = Counter()
    for source, target, gold in examples(made, batch_of(made)):
        assert len(source) == 26
        values = {source[i]: source[i + 1] for i in range(0, 10, 2)}
        places = {source[i]: i + 1 for i in range(0, 10, 2)}
        assert len(values) == len(set(values.values())) == 5
        assert all(key.startswith("k") for key in values)
        assert all(value.startswith("v") for value in values.values())
        asked = [(i, symbol) for i, symbol in enumerate(source[10:]) if symbol in values]
        assert sorted(key for _, key in asked) == sorted(values), "each key is queried once"
        assert target == [values[key] for _, key in asked] + closing(ending)
        assert gold == [places[key] for _, key in asked] + [-1] * (ending == "eos")
        others = {symbol for symbol in source[10:] if symbol not in values}
        assert ("_" in others) != noise
        assert noise == (len(others) > 1)
        for i, _ in asked:
            assert i % 2 == 0
            gaps[i // 2] += 1
    assert set(gaps) == set(range(8))


def test_distances_of_mqar_queries() -> None:
    shares = {}
    for power in (0.01, 1.0):
        made = task("mqar", length=42, pairs=1, symbols=10, power=power)
        gaps: Counter[int] = Counter()
        for k in range(40):
            for source, _, _ in examples(made, batch_of(made, k)):
                gaps[source.index(source[0], 2) // 2 - 1] += 1
        shares[power] = [gaps[i] / 2560 for i in range(20)]
    harmonic = [(i + 1) ** -0.99 for i in range(20)]
    assert shares[0.01] == pytest.approx([x / sum(harmonic) for x in harmonic], abs=0.03)
    assert shares[1.0] == pytest.approx([1 / 20] * 20, abs=0.02)


def test_mqar_as_published() -> None:
    made = task("mqar")
    assert len(made.source_vocabulary) == 8192
    kinds = Counter(symbol[0] for symbol in made.source_vocabulary.symbols)
    assert kinds == {"_": 1, "k": 4095, "v": 4096}
    batch = batch_of(made)
    assert batch.source.shape == (64, 64)
    assert batch.target.shape == (64, 4)


@pytest.mark.parametrize(
    ("name", "options", "fault"),
    [
        ("repeat_copy", {"length": 3, "repeats": 2, "min_length": 4}, "min_length"),
        ("repeat_copy", {"length": 3, "repeats": 2, "min_repeats": 3}, "min_repeats"),
        ("sort", {"length": 3, "min_length": 4}, "min_length"),
        ("bigram_flip", {"length": 1}, "length"),
        ("bigram_flip", {"length": 7, "min_length": 7}, "min_length"),
        ("copy", {"length": 3, "test_min_length": 2}, "test_length"),
        ("reverse", {"length": 3, "test_length": 4, "test_min_length": 5}, "test_min_length"),
        ("bigram_flip", {"length": 4, "test_length": 1}, "test_length"),
        ("addition", {"digits": 19}, "digits"),
        ("addition", {"digits": 2, "min_digits": 3}, "min_digits"),
        ("associative_recall", {"items": 1}, "items"),
        ("associative_recall", {"min_items": 1}, "min_items"),
        ("associative_recall", {"min_items": 7}, "min_items"),
        ("associative_recall", {"item_length": 1, "symbols": 5}, "item_length"),
        ("associative_recall", {"item_length": 100}, "item_length"),
        ("mqar", {"length": 15}, "length"),
        ("mqar", {"symbols": 9}, "symbols"),
    ],
)
def test_invalid_options_are_refused(name: str, options: dict[str, Any], fault: str) -> None:
    with pytest.raises(PartError) as caught:
        task(name, **options)
    assert caught.value.option == fault


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("repeat_copy", {"length": 5, "repeats": 3}),
        ("sort", {"length": 5}),
        ("bigram_flip", {"length": 6}),
        ("associative_recall", {}),
        ("mqar", {"symbols": 64}),
    ],
)
def test_copied_symbols_are_those_of_the_alignment(name: str, options: dict[str, Any]) -> None:
    made = task(name, ending="eos", **options)
    batch = batch_of(made)
    copied = torch.tensor(made.copy_map)[batch.source]
    taken = batch.alignment >= 0
    assert torch.equal(copied.gather(1, batch.alignment.clamp(min=0))[taken], batch.target[taken])


@pytest.mark.parametrize("name", ["copy", "reverse", "bigram_flip", "sort"])
def test_test_split_with_other_lengths(name: str) -> None:
    plain = task(name, length=8, min_length=4, ending="eos")
    made = task(name, length=8, min_length=4, test_length=20, test_min_length=11, ending="eos")
    assert (plain.max_target_length, made.max_target_length) == (9, 21)

    def drawn(of: Any, split: str) -> Any:
        return of.batch(split, 0, seed=0, rank=0, batch_size=256, device=torch.device("cpu"))

    even = name == "bigram_flip"
    for split in ("train", "valid"):
        assert torch.equal(drawn(made, split).source, drawn(plain, split).source)
        assert set(drawn(made, split).source_mask.sum(1).tolist()) == ({4, 6, 8} if even else {4, 5, 6, 7, 8})
    batch = drawn(made, "test")
    assert set(batch.source_mask.sum(1).tolist()) == (set(range(12, 21, 2)) if even else set(range(11, 21)))
    orders = {"copy": list, "reverse": lambda s: s[::-1], "sort": sorted}
    orders["bigram_flip"] = lambda s: [s[i ^ 1] for i in range(len(s))]
    for source, target, _ in examples(made, batch):
        assert target == [*orders[name](source), "</s>"]
    assert set(drawn(plain, "test").source_mask.sum(1).tolist()) <= {4, 5, 6, 7, 8}
