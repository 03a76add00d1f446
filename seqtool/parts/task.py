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
    """The saved entries of a task's state that have another value now. New entries are ignored."""
    return [name for name, value in saved.items() if now.get(name) != value]


class Task:
    """Takes `(*, ...)`.

    The constructor reads no files. `prepare` reads them, and may set the attributes below, which are not used before.

    Attributes:
        source_vocabulary, target_vocabulary: the meaning of the ids of a batch; `Continuous` for continuous values.
        ending: "eos" if targets end with the end symbol; "fixed" if there is none, as for continuous targets.
        max_target_length: the largest number of symbols in a target, including the end symbol.
        has_alignment: whether batches have gold alignments; provides "alignment".
        token_name: what a target symbol is, such as "character", "word" or "phoneme"; names the error rate.
        copy_map: the target id that each source id is copied as, -1 for none; None if sources cannot be copied.
            Provides "copy_map", and "complete_copy_map" if every target symbol occurs in it.
            `source_vocabulary.copied_as(target_vocabulary)` maps equal symbols.
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
        """Read the data. Called once, before all other methods.

        Args:
            saved: the `state` of the run that is loaded. The task then reads no file: it encodes and decodes as in that
                run, and need not have batches.

        Raises:
            PartError: an option names a file that does not exist. SeqtoolError: a file cannot be read.
        """

    def state(self) -> dict[str, Any]:
        """The data (JSON) with which `prepare` makes another task encode and decode like this one, without files."""
        return {}

    def batch(self, split: Split, k: int, *, seed: int, rank: int, batch_size: int, device: torch.device) -> Batch:
        """Batch number `k`, counted from 0, of a split on `device`: a pure function of (split, seed, rank, k).

        Training batches are sampled on `device`, so a CPU and a GPU have different ones. There are infinitely many, all
        of `batch_size` examples. Validation and test batches are sampled on the CPU and depend on `k` alone: they are
        equal for every seed, rank and device.
        """
        raise NotImplementedError

    def num_batches(self, split: Split, batch_size: int) -> int | None:
        """The number of batches of a split, including a smaller last one; None if it is unlimited.

        A task without test examples has 0 test batches.
        """
        return None

    def alternative_targets(self, source: Sequence[int]) -> Sequence[Sequence[int]]:
        """Further correct targets for a source besides the one in its batch: ids, without the end symbol."""
        return ()

    def encode_source(self, text: str) -> tuple[Any, ...]:
        """The ids, or vectors, of a source. By default, positions are separated by white space.

        A position is a symbol, or comma-separated numbers if the source is `Continuous`.

        Raises:
            SeqtoolError: a symbol is not in the vocabulary, which has no id for unknown symbols, or a position is not
                the expected list of numbers.
        """
        return self.source_ids(self.source_symbols(text))

    def source_symbols(self, text: str) -> Sequence[str]:
        """The symbols of a source, known or not: by default those between white space.

        Raises:
            SeqtoolError: the text is not a valid source.
        """
        return text.split()

    def source_ids(self, symbols: Iterable[str]) -> tuple[Any, ...]:
        """The ids of source symbols, or the vectors. Raises: see `encode_source`."""
        vocabulary = self.source_vocabulary
        encode = vocabulary.parse if isinstance(vocabulary, Continuous) else partial(_id, vocabulary, "source")
        return tuple(encode(symbol) for symbol in symbols)

    def encode_target(self, text: str) -> tuple[int, ...]:
        """The ids of a target, without the end symbol: the inverse of `decode_target`.

        Raises:
            SeqtoolError: a symbol is not in the vocabulary, which has no id for unknown symbols.
        """
        return self.target_ids(text.split())

    def target_ids(self, symbols: Iterable[str]) -> tuple[int, ...]:
        """The ids of target symbols. Raises: see `encode_target`."""
        vocabulary = self.target_vocabulary
        ids = tuple(_id(vocabulary, "target", symbol) for symbol in symbols)
        for i in ids:
            if i in (vocabulary.start, vocabulary.end):
                raise SeqtoolError(
                    f"{vocabulary.symbols[i]!r} marks the start or end of a target and cannot occur in it"
                )
        return ids

    def decode_source(self, ids: Sequence[Any]) -> str:
        """The text of source ids, or of continuous values; separated by spaces by default."""
        return " ".join(self.source_vocabulary.names(ids))

    def decode_target(self, ids: Sequence[Any]) -> str:
        """The text of target ids, without the end symbol, or of continuous values; separated by spaces by default."""
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
    """A task whose batches are sampled: a subclass defines `draw`, vectorized over the batch."""

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """A batch sampled with `generator`, on the generator's device."""
        raise NotImplementedError

    def batch(self, split: Split, k: int, *, seed: int, rank: int, batch_size: int, device: torch.device) -> Batch:
        """See `Task.batch`."""
        if split == "train":
            generator = torch.Generator(device).manual_seed(derive(seed, rank, k, "train", "task"))
            return self.draw(batch_size, generator)
        generator = torch.Generator("cpu").manual_seed(derive(k, split, "task"))
        return self.draw(batch_size, generator).to(device)
