"""The contract of a task."""

import json
from collections.abc import Callable

import torch

from seqtool.parts.batch import Batch
from seqtool.parts.task import Split, Task
from seqtool.parts.vocabulary import Continuous
from seqtool.testing.contract import Contract, rule
from seqtool.testing.task_batches import BATCH, SPLITS, TaskBatchRules, batch_tensors, draw, first_numbers

NAMES: dict[Split, str] = {"train": "training", "valid": "validation", "test": "test"}


class TaskContract(TaskBatchRules):
    """`build()` returns the task, which is prepared before the rules are checked."""

    kind = "task"

    @rule
    def batches_by_number(self) -> None:
        """A batch depends only on (split, seed, rank, k), not on batches drawn before."""
        part, other = self.part(), self.part()
        first = draw(part, k=2)
        for k in (0, 1, 5):
            draw(part, k=k, seed=k)
        for again, where in ((draw(part, k=2), "after others were drawn"), (draw(other, k=2), "in another task")):
            found = _changed(first, again)
            self.expect(found is None, f"batch 2 of seed 0 has another {found} {where}")

    @rule
    def batches_differ(self) -> None:
        """Training batches differ between numbers, seeds and ranks."""
        part = self.part()
        first = draw(part)
        for what, other in (("k", draw(part, k=1)), ("seed", draw(part, seed=1)), ("rank", draw(part, rank=1))):
            self.expect(_changed(first, other) is not None, f"batches do not differ between {what} 0 and {what} 1")

    @rule
    def validation_is_shared(self) -> None:
        """Validation and test batches are the same for every seed and rank, and differ by number and from training."""
        part = self.part()
        splits: tuple[Split, ...] = ("valid", "test")
        splits = tuple(split for split in splits if first_numbers(part, split))
        for split in splits:
            first = draw(part, split=split)
            for what, other in (
                ("seed", draw(part, split=split, seed=1)),
                ("rank", draw(part, split=split, rank=1)),
            ):
                found = _changed(first, other)
                self.expect(found is None, f"{NAMES[split]}'s {found} differs between {what} 0 and {what} 1")
            if len(first_numbers(part, split)) > 1:
                same = _changed(first, draw(part, split=split, k=1)) is None
                self.expect(not same, f"{NAMES[split]} batches 0 and 1 are the same")
            same = _changed(first, draw(part)) is None
            self.expect(not same, f"the first {NAMES[split]} batch is the first training batch")
        if "test" in splits:
            same = _changed(draw(part, split="valid"), draw(part, split="test")) is None
            self.expect(not same, "the first test batch is the first validation batch")

    @rule
    def splits_end_as_declared(self) -> None:
        """Batches have the requested size, except the last one of `num_batches`; training has no end."""
        part = self.part()
        self.expect(part.num_batches("train", BATCH) is None, "num_batches is not None for training")
        for split in SPLITS:
            count = part.num_batches(split, BATCH)
            sizes = [len(draw(part, split=split, k=k)) for k in range(3 if count is None else count)]
            whole = sizes if count is None else sizes[:-1]
            self.expect(all(size == BATCH for size in whole), f"batches of {NAMES[split]} have the sizes {sizes}")
            self.expect(count != 0 or split == "test", f"{NAMES[split]} has no batch")
            if sizes:
                self.expect(0 < sizes[-1] <= BATCH, f"the last batch of {NAMES[split]} has {sizes[-1]} examples")

    @rule
    def state_restores(self) -> None:
        """A task restored from the state, plain JSON, has the same vocabularies and decodes the same."""
        part = self.part()
        state = part.state()
        self.expect(json.loads(json.dumps(state)) == state, "its state changes in JSON: use lists, not tuples")
        again = Contract.part(self)  # not yet prepared
        again.prepare(json.loads(json.dumps(state)))
        for name in ("source_vocabulary", "target_vocabulary", "ending", "max_target_length", "copy_map"):
            self.expect(getattr(again, name) == getattr(part, name), f"restored from its state, its {name} differs")
        self.expect(again.state() == state, "restored from its state, it has another state")
        batch = draw(part)
        for row, real in zip(batch.target.tolist(), batch.target_mask.tolist(), strict=True):
            ids = [i for i, here in zip(row, real, strict=True) if here]
            self.expect(
                again.decode_target(ids) == part.decode_target(ids), "restored from its state, it decodes differently"
            )

    @rule
    def targets_round_trip(self) -> None:
        """`encode_target` inverts `decode_target`, or raises NotImplementedError for every text."""
        part = self.part()
        vocabulary, batch = part.target_vocabulary, draw(part)
        if isinstance(vocabulary, Continuous):
            return
        for row, real in zip(batch.target, batch.target_mask, strict=True):
            text = part.decode_target(row[real].tolist())
            try:
                ids = part.encode_target(text)
            except NotImplementedError:
                return
            self.expect(
                not {vocabulary.start, vocabulary.end} & set(ids),
                f"the ids of {text!r} contain the start or end symbol",
            )
            self.expect(
                part.decode_target(ids) == text, f"{text!r} is encoded and decoded as {part.decode_target(ids)!r}"
            )

    @rule
    def continuous_sources_round_trip(self) -> None:
        """`encode_source` inverts the text of a continuous source."""
        part = self.part()
        batch = draw(part)
        if isinstance(part.source_vocabulary, Continuous):
            vectors = batch.source[0][batch.source_mask[0]]
            text = " ".join(part.source_vocabulary.names(vectors.tolist()))
            again = torch.tensor(part.encode_source(text))
            near = again.shape == vectors.shape and torch.allclose(again, vectors, rtol=1e-4, atol=1e-5)
            self.expect(near, f"the source {text[:60]!r} is encoded as {again.flatten()[:4].tolist()}")


def _changed(first: Batch, second: Batch) -> str | None:
    """The first field in which two batches differ, or None."""
    theirs = batch_tensors(second)
    return next((name for name, x in batch_tensors(first).items() if not torch.equal(x, theirs[name])), None)


def check_task(build: Callable[..., Task], *, name: str = "") -> None:
    """Check a task against its contract. `build()` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    TaskContract(build, name=name).check()
