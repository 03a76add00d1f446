"""Tasks with a finite set of examples: the order of examples, compared with plain loops; and defaults of tasks."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from seqtool.api import Batch, Examples, ExampleTask, Ragged, SeqtoolError, Split, Vocabulary
from seqtool.parts.task import changed_entries
from seqtool.registry import default_registry
from seqtool.testing import check_task

CPU = torch.device("cpu")
LETTERS = tuple("abcdefgh")


class Numbered(ExampleTask):
    """Example i of a split: the source is i in base 8, and the target its reverse."""

    def __init__(self, *, size: int = 50, bucket: int = 1, unknown: bool = False, aligned: bool = True) -> None:
        self.size, self.bucket, self.unknown, self.aligned = size, bucket, unknown, aligned
        self.has_alignment = aligned

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        super().prepare(saved)
        letters = saved["letters"] if saved else list(LETTERS)
        extra = ("<unk>",) if self.unknown else ()
        self.source_vocabulary = Vocabulary((*letters, *extra), unknown=8 if self.unknown else None)
        self.target_vocabulary = Vocabulary((*letters, "</s>", "<s>"), end=8, start=9)
        self.ending = "eos"
        self.max_target_length = 6
        starts: dict[Split, int] = {"train": 0, "valid": 1000, "test": 2000}
        if not saved:
            self.examples = {split: self.made(first) for split, first in starts.items()}

    def made(self, first: int) -> Examples:
        rows = [tuple(map(int, f"{i:o}")) for i in range(first, first + self.size)]
        gold = Ragged.of(range(len(row))[::-1] for row in rows) if self.aligned else None
        return Examples(Ragged.of(rows), Ragged.of(row[::-1] for row in rows), gold)

    def state(self) -> dict[str, Any]:
        return super().state() | {"letters": list(self.source_vocabulary.symbols[:8])}


def made(**options: Any) -> Numbered:
    task = Numbered(**options)
    task.prepare()
    return task


def draw(task: ExampleTask, k: int, split: Split = "train", size: int = 8, seed: int = 0, rank: int = 0) -> Batch:
    return task.batch(split, k, seed=seed, rank=rank, batch_size=size, device=CPU)


def numbers(batch: Batch) -> list[int]:
    rows = zip(batch.source.tolist(), batch.source_mask.tolist(), strict=True)
    return [int("".join(str(i) for i, real in zip(row, mask, strict=True) if real), 8) for row, mask in rows]


@pytest.mark.parametrize("options", [{}, {"bucket": 3}, {"unknown": True}, {"aligned": False}])
def test_task_keeps_the_contract(options: dict[str, Any]) -> None:
    check_task(lambda: Numbered(**options))


def test_each_epoch_contains_all_examples_in_a_new_order() -> None:
    task = made()
    walk = [number for k in range(25) for number in numbers(draw(task, k))]
    epochs = [walk[50 * e : 50 * (e + 1)] for e in range(4)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert all(len(draw(task, k)) == 8 for k in range(25)), "batches 7, 13 and 19 span the end of an epoch"
    for other in ({"seed": 1}, {"rank": 1}):
        assert [number for k in range(6) for number in numbers(draw(task, k, **other))] != walk[:48]


def test_fewer_examples_than_a_batch() -> None:
    task = made(size=3)
    walk = [number for k in range(3) for number in numbers(draw(task, k))]
    assert all(sorted(walk[i : i + 3]) == [0, 1, 2] for i in range(0, 24, 3))


def test_buckets_contain_the_same_examples_with_less_padding() -> None:
    plain, bucketed = made(size=1600), made(size=1600, bucket=10)
    batches = {task: [draw(task, k) for k in range(200)] for task in (plain, bucketed)}
    for window in range(20):
        drawn = [
            Counter(n for b in some[10 * window : 10 * window + 10] for n in numbers(b)) for some in batches.values()
        ]
        assert drawn[0] == drawn[1]
    padding = [sum(int((~b.source_mask).sum()) for b in some) for some in batches.values()]
    assert padding[1] < padding[0] / 2
    widths = [b.source.shape[1] for b in batches[bucketed]]
    assert any(widths[i : i + 10] != sorted(widths[i : i + 10]) for i in range(0, 200, 10)), (
        "short ones need not be first"
    )


def test_buckets_are_a_small_part_of_an_epoch() -> None:
    small, limit = made(size=248, bucket=16), made(size=256, bucket=16)
    plain = {task: made(size=task.size) for task in (small, limit)}
    for k in range(64):
        assert numbers(draw(small, k)) == numbers(draw(plain[small], k)), "31 batches an epoch: none are sorted"
    pairs = [(numbers(draw(limit, k)) + numbers(draw(limit, k + 1)), k) for k in range(0, 64, 2)]
    for drawn, k in pairs:
        assert sorted(drawn) == sorted(numbers(draw(plain[limit], k)) + numbers(draw(plain[limit], k + 1))), (
            "32 batches an epoch: two are sorted together"
        )
    assert [draw(limit, k).source.tolist() for k in range(64)] != [
        draw(plain[limit], k).source.tolist() for k in range(64)
    ]


@pytest.mark.parametrize("size", [400, 404, 601])
def test_buckets_stay_within_an_epoch(size: int) -> None:
    task = made(size=size, bucket=3)
    walk = [number for k in range(4 * size // 8) for number in numbers(draw(task, k))]
    epochs = [walk[size * e : size * (e + 1)] for e in range(3)]
    assert all(sorted(epoch) == list(range(size)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_batches_of_small_data_have_mixed_lengths() -> None:
    """With 80 examples, 16 batches sorted together would be two epochs, and a batch would contain one length."""
    task = made(size=80, bucket=16)
    batches = [draw(task, k, size=16) for k in range(50)]
    assert all(len(set(batch.source_mask.sum(1).tolist())) > 1 for batch in batches)


def test_validation_reads_its_split_once_in_order() -> None:
    task = made()
    for split, first in (("valid", 1000), ("test", 2000)):
        assert task.num_batches(split, 8) == 7
        drawn = [numbers(draw(task, k, split)) for k in range(7)]
        assert [len(batch) for batch in drawn] == [8] * 6 + [2]
        assert [number for batch in drawn for number in batch] == list(range(first, first + 50))
    assert task.num_batches("train", 8) is None
    assert task.num_batches("valid", 25) == 2


def test_a_batch_by_hand() -> None:
    examples = Examples(Ragged.of([(1, 2), (3,), ()]), Ragged.of([(4,), (5, 6), ()]), Ragged.of([(1,), (0, 0), ()]))
    batch = examples.batch(torch.tensor([1, 0, 2]), end=8)
    assert batch.source.tolist() == [[3, 0], [1, 2], [0, 0]]
    assert batch.source_mask.tolist() == [[True, False], [True, True], [False, False]]
    assert batch.target.tolist() == [[5, 6, 8], [4, 8, 0], [8, 0, 0]]
    assert batch.target_mask.tolist() == [[True, True, True], [True, True, False], [True, False, False]]
    assert batch.alignment.tolist() == [[0, 0, -1], [1, -1, -1], [-1, -1, -1]]
    assert examples.batch(torch.tensor([2, 1]), end=None).target.tolist() == [[0, 0], [5, 6]]
    assert examples.source.longest() == 2


def test_texts_and_ids() -> None:
    task = made()
    assert task.encode_source("a  h b") == (0, 7, 1)
    assert task.decode_target([0, 7, 8]) == "a h"
    with pytest.raises(SeqtoolError, match=r"the source vocabulary has no 'aa'\n    did you mean 'a'\?"):
        task.encode_source("b aa")
    assert made(unknown=True).encode_source("b aa") == (1, 8)


def test_a_synthetic_task_needs_nothing_and_has_a_test_split() -> None:
    copy = default_registry().find("task", "copy").load()(length=5)
    copy.prepare({})
    assert copy.state() == {}
    assert copy.num_batches("test", 8) is None
    drawn = [draw(copy, 0, split).source for split in ("train", "valid", "test")]
    assert not torch.equal(drawn[1], drawn[2])
    assert copy.encode_source("a b") == (0, 1)


def test_an_unknown_symbol_is_never_copied() -> None:
    source, target = Vocabulary(("a", "<unk>"), unknown=1), Vocabulary(("<unk>", "a", "<s>"), unknown=0, start=2)
    assert source.copied_as(target) == (1, -1)


def test_digest_in_the_state_identifies_the_examples() -> None:
    state = made().state()
    assert made().state() == state
    assert set(state["examples"]) == {"train", "valid", "test"}
    assert len(set(state["examples"].values())) == 3
    for other in (made(size=49), made(aligned=False)):
        assert changed_entries(state, other.state()) == ["examples"]
    restored = Numbered()
    restored.prepare(state)
    assert restored.state() == state
    early = {"letters": state["letters"]}  # of a version without digests
    restored.prepare(early)
    assert restored.state() == early
    assert changed_entries(restored.state(), made(size=49).state()) == []


def test_examples_are_indexed_and_iterated() -> None:
    examples = Examples(Ragged.of([[1, 2], [3]]), Ragged.of([[4], [5, 6]]))
    assert list(examples) == [((1, 2), (4,)), ((3,), (5, 6))]
    assert examples[-1] == examples[1]
    for i in (2, -3):
        with pytest.raises(IndexError, match="there are 2 examples"):
            examples[i]


def test_digest_depends_only_on_selected_rows() -> None:
    rows = Ragged.of([(9,), (1, 2), (3,)])
    part = Ragged(rows.values, rows.starts[1:])
    whole = Ragged.of([(1, 2), (3,)])
    assert Examples(part, part).digest() == Examples(whole, whole).digest()
    assert Examples(whole, whole).digest() != Examples(Ragged.of([(1,), (2, 3)]), whole).digest()
