"""The contract of a task: numbered batches with gold targets."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch

from seqtool.errors import SeqtoolError, nearest_name
from seqtool.parts.batch import Batch
from seqtool.parts.vocabulary import Continuous, Vocabulary
from seqtool.randomness import derive

Split = Literal["train", "valid", "test"]


def changed_entries(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of a task's state differs from what was saved; what an earlier seqtool did not save is not asked for."""
    return [name for name, value in saved.items() if now.get(name) != value]


class Task:
    """Takes `(*, ...)`.

    A constructor looks at its options alone. What stands in files is read by `prepare`, and the attributes may be
    set there; nothing reads them before.

    Attributes:
        source_vocabulary, target_vocabulary: what the ids of a batch mean; `Continuous` for a side of numbers.
        ending: "fixed", a target has as many symbols as it has and no end symbol; or "eos". Continuous: "fixed".
        max_target_length: the most symbols that a target has, the end symbol included.
        has_alignment: whether its batches have any gold alignment; provides "alignment".
        token_name: what a symbol of a target is, "character", "word" or "phoneme": names the error rate.
        copy_map: the target id that each source id is copied as, -1 where there is none; None for a task whose
            sources cannot be copied. It provides "copy_map", and "complete_copy_map" if it leads to every target
            symbol. `source_vocabulary.copied_as(target_vocabulary)` goes by equal symbols.
    """

    kind = "task"
    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    ending: Literal["fixed", "eos"] = "fixed"
    max_target_length: int
    has_alignment: bool = False
    token_name: str = "token"
    copy_map: tuple[int, ...] | None = None

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """Read what the task needs, once, before anything else is asked of it.

        Args:
            saved: what `state` gave in the run that is loaded. No file is touched then: the task encodes and decodes
                as it did in that run, and need have no batches.

        Raises:
            PartError: an option names what is not there. SeqtoolError: what is there cannot be read.
        """

    def state(self) -> dict[str, Any]:
        """Plain JSON from which `prepare` makes a new task encode and decode as this one, without its data."""
        return {}

    def batch(self, split: Split, k: int, *, seed: int, rank: int, batch_size: int, device: torch.device) -> Batch:
        """Batch number `k` (from 0) of a split: a pure function of (split, seed, rank, k), on `device`.

        Training batches are drawn there, so a CPU and a GPU draw different ones; validation and test batches are
        drawn on the CPU and depend on `k` alone, equal for every seed, rank and device. Training never ends, and its
        batches are full.
        """
        raise NotImplementedError

    def num_batches(self, split: Split, batch_size: int) -> int | None:
        """How many batches a split has, the last of them short or not; None: as many as one likes.

        A task may have no test examples, and then 0 test batches.
        """
        return None

    def alternative_targets(self, source: Sequence[int]) -> Sequence[Sequence[int]]:
        """Further targets that are as right for a source as the one in its batch: ids, the end symbol left out."""
        return ()

    def encode_source(self, text: str) -> tuple[Any, ...]:
        """The ids, or the vectors, of one source. Here: positions with white space between them.

        A position is a symbol, or numbers with commas between them where the source is `Continuous`.

        Raises:
            SeqtoolError: a symbol that the vocabulary has not, and no id that stands for those; or no such numbers.
        """
        return self.source_ids(text.split())

    def source_ids(self, symbols: Iterable[str]) -> tuple[Any, ...]:
        """The ids of a source's symbols, or its vectors. Raises: see `encode_source`."""
        vocabulary = self.source_vocabulary
        read = vocabulary.parse if isinstance(vocabulary, Continuous) else partial(_id, vocabulary, "source")
        return tuple(read(symbol) for symbol in symbols)

    def encode_target(self, text: str) -> tuple[int, ...]:
        """The ids of one target of symbols, the end symbol left out: what `decode_target` gives the text of.

        Raises:
            SeqtoolError: a symbol that the vocabulary has not, and no id that stands for those.
        """
        return self.target_ids(text.split())

    def target_ids(self, symbols: Iterable[str]) -> tuple[int, ...]:
        """The ids of a target's symbols. Raises: see `encode_target`."""
        vocabulary = self.target_vocabulary
        ids = tuple(_id(vocabulary, "target", symbol) for symbol in symbols)
        for i in ids:
            if i in (vocabulary.start, vocabulary.end):
                raise SeqtoolError(f"{vocabulary.symbols[i]!r} stands at the ends of a target, not within it")
        return ids

    def decode_target(self, ids: Sequence[Any]) -> str:
        """The text of a target's ids, its end symbol left out, or of its values. Here: with a space between them."""
        vocabulary = self.target_vocabulary
        return " ".join(vocabulary.names([i for i in ids if i not in (vocabulary.start, vocabulary.end)]))


def _id(vocabulary: Vocabulary, side: str, symbol: str) -> int:
    found = vocabulary.find(symbol)
    if found is None:
        nearest = nearest_name(symbol, vocabulary.symbols)
        hint = f"\n    did you mean {nearest!r}?" if nearest else ""
        raise SeqtoolError(f"the {side} vocabulary has no {symbol!r}{hint}")
    return found


class SyntheticTask(Task):
    """A task whose batches are drawn, not read: a subclass writes `draw`, vectorised over the batch."""

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """A batch drawn from `generator`, on its device."""
        raise NotImplementedError

    def batch(self, split: Split, k: int, *, seed: int, rank: int, batch_size: int, device: torch.device) -> Batch:
        """See `Task.batch`."""
        if split == "train":
            generator = torch.Generator(device).manual_seed(derive(seed, rank, k, "train", "task"))
            return self.draw(batch_size, generator)
        generator = torch.Generator("cpu").manual_seed(derive(k, split, "task"))
        return self.draw(batch_size, generator).to(device)
