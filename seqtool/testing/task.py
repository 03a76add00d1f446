"""The contract of a task, as rules."""

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch

from seqtool.parts.batch import Batch
from seqtool.parts.task import Split, Task
from seqtool.parts.vocabulary import Continuous
from seqtool.testing.contract import Contract, rule
from seqtool.testing.differences import Outputs, is_prefix

BATCH = 13
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
NAMES: dict[Split, str] = {"train": "training", "valid": "validation", "test": "test"}
CPU = torch.device("cpu")


class TaskContract(Contract):
    """`build()` makes the task; it is prepared before anything is asked of it."""

    kind = "task"

    def part(self, dtype: torch.dtype = torch.float64, seed: int = 0) -> Any:
        """See `Contract.part`."""
        part = super().part(dtype, seed)
        part.prepare()
        return part

    def exercise(self, part: Any) -> Outputs:
        """See `Contract.exercise`."""
        return _tensors(_draw(part))

    def _all_splits(self, part: Task) -> list[Batch]:
        return [_draw(part, split=split, k=k) for split in SPLITS for k in _numbers(part, split)]

    @rule
    def batches_by_number(self) -> None:
        """A batch is a function of (split, seed, rank, k) alone, whatever was drawn before."""
        part, other = self.part(), self.part()
        first = _draw(part, k=2)
        for k in (0, 1, 5):
            _draw(part, k=k, seed=k)
        for again, where in ((_draw(part, k=2), "after others were drawn"), (_draw(other, k=2), "in another task")):
            found = _changed(first, again)
            self.expect(found is None, f"batch 2 of seed 0 has another {found} {where}")

    @rule
    def batches_differ(self) -> None:
        """Training batches of other numbers, seeds and ranks are other batches."""
        part = self.part()
        first = _draw(part)
        for what, other in (("k", _draw(part, k=1)), ("seed", _draw(part, seed=1)), ("rank", _draw(part, rank=1))):
            self.expect(_changed(first, other) is not None, f"batches do not differ between {what} 0 and {what} 1")

    @rule
    def validation_is_common(self) -> None:
        """Validation and test batches are equal for every seed and rank, differ by number, and are not training's."""
        part = self.part()
        splits: tuple[Split, ...] = ("valid", "test")
        splits = tuple(split for split in splits if _numbers(part, split))
        for split in splits:
            first = _draw(part, split=split)
            for what, other in (
                ("seed", _draw(part, split=split, seed=1)),
                ("rank", _draw(part, split=split, rank=1)),
            ):
                found = _changed(first, other)
                self.expect(found is None, f"{NAMES[split]}'s {found} differs between {what} 0 and {what} 1")
            if len(_numbers(part, split)) > 1:
                same = _changed(first, _draw(part, split=split, k=1)) is None
                self.expect(not same, f"{NAMES[split]} batches 0 and 1 are one")
            same = _changed(first, _draw(part)) is None
            self.expect(not same, f"the first {NAMES[split]} batch is the first to train on")
        if "test" in splits:
            same = _changed(_draw(part, split="valid"), _draw(part, split="test")) is None
            self.expect(not same, "the first test batch is the first validation batch")

    @rule
    def splits_end_as_declared(self) -> None:
        """Batches are as large as asked for, but for the last one that `num_batches` counts; training never ends."""
        part = self.part()
        self.expect(part.num_batches("train", BATCH) is None, "training ends, by num_batches")
        for split in SPLITS:
            count = part.num_batches(split, BATCH)
            sizes = [len(_draw(part, split=split, k=k)) for k in range(3 if count is None else count)]
            whole = sizes if count is None else sizes[:-1]
            self.expect(all(size == BATCH for size in whole), f"batches of {NAMES[split]} have the sizes {sizes}")
            self.expect(count != 0 or split == "test", f"{NAMES[split]} has no batch")
            if sizes:
                self.expect(0 < sizes[-1] <= BATCH, f"the last batch of {NAMES[split]} has {sizes[-1]} examples")

    @rule
    def state_restores(self) -> None:
        """From its state, plain JSON, a new task decodes as the first one, and models built for it are the same."""
        part = self.part()
        state = part.state()
        self.expect(json.loads(json.dumps(state)) == state, "its state is another after JSON: keep plain lists")
        again = super().part()
        again.prepare(json.loads(json.dumps(state)))
        for name in ("source_vocabulary", "target_vocabulary", "ending", "max_target_length", "copy_map"):
            self.expect(getattr(again, name) == getattr(part, name), f"restored from its state, its {name} differs")
        self.expect(again.state() == state, "restored from its state, it has another state")
        batch = _draw(part)
        for row, real in zip(batch.target.tolist(), batch.target_mask.tolist(), strict=True):
            ids = [i for i, here in zip(row, real, strict=True) if here]
            self.expect(again.decode_target(ids) == part.decode_target(ids), "restored, it decodes otherwise")

    @rule
    def targets_are_read_back(self) -> None:
        """`encode_target` reads the text that `decode_target` gives as the same text, or reads none at all."""
        part = self.part()
        vocabulary, batch = part.target_vocabulary, _draw(part)
        if isinstance(vocabulary, Continuous):
            return
        for row, real in zip(batch.target, batch.target_mask, strict=True):
            text = part.decode_target(row[real].tolist())
            try:
                ids = part.encode_target(text)
            except NotImplementedError:
                return
            self.expect(not {vocabulary.start, vocabulary.end} & set(ids), f"{text!r} is read with its start or end")
            self.expect(part.decode_target(ids) == text, f"{text!r} is read as {part.decode_target(ids)!r}")

    @rule
    def shapes(self) -> None:
        """Sizes and dtypes are those of `Batch` and of the vocabularies, no target longer than `max_target_length`."""
        part = self.part()
        for size in (BATCH, 1):
            batch = _draw(part, batch_size=size)
            source, target = batch.source.shape[:2], batch.target.shape[:2]
            self.expect(source[0] == size == target[0], f"asked for {size} examples, it draws {source[0]}")
            for name, found, wanted in (
                ("source_mask", batch.source_mask.shape, source),
                ("target_mask", batch.target_mask.shape, target),
                ("alignment", batch.alignment.shape, target),
            ):
                self.expect(found == wanted, f"{name} has the shape {list(found)}, not {list(wanted)}")
            longest = int(batch.target_mask.sum(1).max())
            self.expect(
                longest <= part.max_target_length,
                f"a target has {longest} symbols, and max_target_length is {part.max_target_length}",
            )
            self.expect(batch.alignment.dtype == torch.int64, f"alignment is {batch.alignment.dtype}, not int64")
            for name, vocabulary in (("source", part.source_vocabulary), ("target", part.target_vocabulary)):
                x, values = getattr(batch, name), isinstance(vocabulary, Continuous)
                form = (torch.float32, (vocabulary.num_outputs,)) if values else (torch.int64, ())
                asked = f"float32 values, {vocabulary.num_outputs} a position" if values else "int64 ids"
                right = (x.dtype, tuple(x.shape[2:])) == form
                self.expect(right, f"{name} is {x.dtype} {list(x.shape)}, not {asked}, as its vocabulary says")

    @rule
    def masks_are_prefixes(self) -> None:
        """Masks are bool, and the real positions of a row come first; ids at padding are 0."""
        for batch in self._all_splits(self.part()):
            for side in ("source", "target"):
                x, mask = getattr(batch, side), getattr(batch, f"{side}_mask")
                self.expect(mask.dtype == torch.bool, f"{side}_mask is {mask.dtype}, not bool")
                self.expect(is_prefix(mask), f"{side}_mask has a real position after padding")
                self.expect(not x[~mask].any(), f"{side} is not 0 at padding")

    @rule
    def ids_in_vocabulary(self) -> None:
        """Ids are in their vocabulary, in a target those that may be predicted, never the start; values are finite."""
        part = self.part()
        opened = part.target_vocabulary.start is not None or isinstance(part.target_vocabulary, Continuous)
        self.expect(opened, "the target vocabulary has no start symbol")
        sides = (
            ("source", len(part.source_vocabulary)),
            ("target", part.target_vocabulary.num_outputs),
        )
        for batch in self._all_splits(part):
            for side, count in sides:
                x, mask = getattr(batch, side), getattr(batch, f"{side}_mask")
                if x.is_floating_point():
                    self.expect(bool(x.isfinite().all()), f"{side} holds values that are not finite")
                else:
                    real = x[mask]
                    wrong = real[(real < 0) | (real >= count)].tolist()
                    self.expect(not wrong, f"{side} holds the ids {wrong[:3]}, and ids are 0 to {count - 1}")

    @rule
    def copy_map_fits(self) -> None:
        """A `copy_map` has one entry for each source id: a target id that may be predicted, or -1."""
        part = self.part()
        if part.copy_map is None:
            return
        for side in (part.source_vocabulary, part.target_vocabulary):
            self.expect(not isinstance(side, Continuous), "it has a copy_map, and a continuous side")
        count, targets = len(part.source_vocabulary), part.target_vocabulary.num_outputs
        self.expect(len(part.copy_map) == count, f"copy_map has {len(part.copy_map)} entries for {count} source ids")
        wrong = [i for i in part.copy_map if not -1 <= i < targets]
        self.expect(
            not wrong, f"copy_map holds the ids {wrong[:3]}, and those that may be predicted are 0 to {targets - 1}"
        )

    @rule
    def continuous_sources_are_read_back(self) -> None:
        """A continuous source, written as text, is read back."""
        part = self.part()
        batch = _draw(part)
        if isinstance(part.source_vocabulary, Continuous):
            vectors = batch.source[0][batch.source_mask[0]]
            text = " ".join(part.source_vocabulary.names(vectors.tolist()))
            again = torch.tensor(part.encode_source(text))
            near = again.shape == vectors.shape and torch.allclose(again, vectors, rtol=1e-4, atol=1e-5)
            self.expect(near, f"the source {text[:60]!r} is read as {again.flatten()[:4].tolist()}")

    @rule
    def ends_as_declared(self) -> None:
        """With the ending "eos" a target ends with its end symbol and has no other; with "fixed" it has none."""
        part = self.part()
        end = part.target_vocabulary.end
        if part.ending == "fixed":
            self.expect(end is None, "its ending is 'fixed', and yet its target vocabulary has an end symbol")
            return
        self.expect(end is not None, "its ending is 'eos', and its target vocabulary has no end symbol")
        for batch in self._all_splits(part):
            ends = (batch.target == end) & batch.target_mask
            last = batch.target_mask & ~torch.nn.functional.pad(batch.target_mask[:, 1:], (0, 1))
            wrong = (ends != last).any(1).nonzero().flatten().tolist()
            self.expect(not wrong, f"targets {wrong[:3]} do not end with the end symbol, once and at the end")

    @rule
    def alignment_is_real(self) -> None:
        """The gold alignment points to real source positions, or is -1, as it is at padding; see `has_alignment`."""
        part = self.part()
        batches = self._all_splits(part)
        found = any(bool((batch.alignment >= 0).any()) for batch in batches)
        self.expect(
            found == part.has_alignment,
            f"has_alignment is {part.has_alignment}, and its batches have {'a' if found else 'no'} gold alignment",
        )
        for batch in batches:
            alignment, real = batch.alignment, batch.target_mask
            self.expect(bool((alignment[~real] == -1).all()), "the alignment is not -1 at padding of the target")
            self.expect(bool((alignment >= -1).all()), "the alignment holds numbers below -1")
            length = batch.source_mask.sum(1, keepdim=True)
            wrong = (alignment >= length).any(1).nonzero().flatten().tolist()
            self.expect(not wrong, f"the alignment of examples {wrong[:3]} points beyond the real source positions")


def _draw(
    task: Task, split: Split = "train", k: int = 0, seed: int = 0, rank: int = 0, batch_size: int = BATCH
) -> Batch:
    return task.batch(split, k, seed=seed, rank=rank, batch_size=batch_size, device=CPU)


def _numbers(task: Task, split: Split) -> range:
    """The first few batches that a split has."""
    count = task.num_batches(split, BATCH)
    return range(3 if count is None else min(3, count))


def _tensors(batch: Batch) -> Outputs:
    return {field.name: getattr(batch, field.name) for field in fields(Batch)}


def _changed(first: Batch, second: Batch) -> str | None:
    """The first field in which two batches differ."""
    theirs = _tensors(second)
    return next((name for name, x in _tensors(first).items() if not torch.equal(x, theirs[name])), None)


def check_task(build: Callable[..., Task], *, name: str = "") -> None:
    """Hold a task against its contract. `build()` makes it.

    Raises:
        ContractViolation: what is wrong, in words.
    """
    TaskContract(build, name=name).check()
