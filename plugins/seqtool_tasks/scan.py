"""SCAN: commands in simplified English -> sequences of actions."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import torch

from seqtool.api import Count, Examples, ExampleTask, PartError, Ragged, Size, Split, Vocabulary
from seqtool_tasks.scan_grammar import ACTIONS, WORDS, Command, commands

Name = Literal["simple", "simple_p", "length", "add_jump", "add_turn_left"]
Valid = Literal["trained", "held_out"]
SIMPLE_TRAIN_SIZE = 16_728
"""Four fifths of all commands, the training set of simple."""
MAX_TRAINED_ACTIONS = 22
ADDED_PRIMITIVES = {"add_jump": ("jump", 1_467), "add_turn_left": ("turn left", 2_189)}
"""The added primitive, and its number of copies in training, a tenth of the examples."""


class Scan(ExampleTask):
    """All 20,910 commands of SCAN and their actions, in the published splits.

    Equation:
        x = the words of a command,   y = its interpretation, 1 to 48 actions, and an end symbol

        split            training   test      content of the test
        simple             16,728   4,182     random commands
        simple_p    p % of 20,910   the rest  random commands, with less training
        length             16,990   3,920     24 to 48 actions after training on at most 22
        add_jump           14,670   7,706     commands with jump, trained only in isolation (1,467 times)
        add_turn_left      21,890   1,208     commands with turn left, trained only in isolation (2,189 times)

    Source: Lake & Baroni 2018, arXiv 1711.00350, and the authors' files, github.com/brendenlake/SCAN. The grammar
    generates the commands. The random splits simple and simple_p depend on `split_seed` and differ from the authors'
    files; the other splits are identical to theirs.

    When to use: to test compositional generalization: nearly all sequence-to-sequence models solve simple, and fail at
    length and add_jump. The gold alignment is ours: each action is aligned to the word that names it, a turn to `left`
    or `right`.

    Args:
        split: the split, see above.
        percent: p of simple_p, null for other splits; rounded down to whole commands. The authors use 1, 2, 4, 8, 16,
            32 and 64.
        valid: validation is a random tenth of the training commands, without the added primitive. "trained": they
            remain in training, as published, so that validation measures the fit; "held_out": they are removed from it.
        split_seed: the seed of the simple split, of the validation set, and of the order of validation and test.
        bucket: the number of training batches that are sorted by length together, to reduce padding; at most a
            sixteenth of an epoch.

    Raises:
        PartError: `percent` is missing or not from 1 to 99 for simple_p, or set for another split.
    """

    has_alignment = True
    ending = "eos"
    source_vocabulary = Vocabulary(WORDS)
    target_vocabulary = Vocabulary((*ACTIONS, "</s>", "<s>"), start=7, end=6)
    max_target_length = 49

    def __init__(
        self,
        *,
        split: Name = "simple",
        percent: Size | None = None,
        valid: Valid = "trained",
        split_seed: Count = 0,
        bucket: Size = 1,
    ) -> None:
        fits = percent is not None and percent < 100 if split == "simple_p" else percent is None
        if not fits:
            given = "no percent" if percent is None else f"a percent of {percent}"
            allowed = "1 to 99" if split == "simple_p" else "null; split: simple_p requires it"
            raise PartError(f"split {split} with {given}", option="percent", allowed=allowed)
        self.split, self.percent, self.valid, self.split_seed = split, percent, valid, split_seed
        self.bucket = bucket

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """See `Task.prepare`."""
        super().prepare(saved)
        self.examples = _examples(self.split, self.percent, self.valid, self.split_seed)


@lru_cache(maxsize=8)
def _examples(split: Name, percent: int | None, valid: Valid, seed: int) -> dict[Split, Examples]:
    order = torch.randperm(
        len(commands()), generator=torch.Generator("cpu").manual_seed(seed % 2**63), device="cpu"
    ).tolist()
    drawn = [commands()[i] for i in order]
    if split in ("simple", "simple_p"):
        size = SIMPLE_TRAIN_SIZE if percent is None else len(drawn) * percent // 100
        train, test = drawn[:size], drawn[size:]
    else:
        train = [command for command in drawn if _is_trained(split, command)]
        test = [command for command in drawn if not _is_trained(split, command)]
    primitive, repeats = ADDED_PRIMITIVES.get(split, ("", 1))
    added = [command for command in train if " ".join(command.words) == primitive]
    train = [command for command in train if command not in added]
    tenth = max(1, len(train) // 10)
    trained = train[tenth:] if valid == "held_out" else train
    return {
        "train": _examples_of(trained + added * repeats),
        "valid": _examples_of(train[:tenth]),
        "test": _examples_of(test),
    }


def _is_trained(split: Name, command: Command) -> bool:
    if split == "length":
        return len(command.actions) <= MAX_TRAINED_ACTIONS
    primitive, _ = ADDED_PRIMITIVES[split]
    text = " ".join(command.words)
    return text == primitive or primitive not in text


def _examples_of(some: Sequence[Command]) -> Examples:
    word, action = WORDS.index, ACTIONS.index
    return Examples(
        Ragged.of(tuple(map(word, command.words)) for command in some),
        Ragged.of(tuple(map(action, command.actions)) for command in some),
        Ragged.of(command.places for command in some),
    )
