"""SCAN: commands in simplified English -> sequences of actions."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import torch

from seqtool.api import Count, Examples, ExampleTask, PartError, Ragged, Size, Split, Vocabulary
from seqtool_tasks.scan_grammar import ACTIONS, WORDS, Command, commands

Name = Literal["simple", "simple_p", "length", "add_jump", "add_turn_left"]
Valid = Literal["trained", "held_out"]
SIMPLE = 16_728
"""Four fifths of all commands."""
LONGEST_TRAINED = 22
ADDED = {"add_jump": ("jump", 1_467), "add_turn_left": ("turn left", 2_189)}
"""The primitive that is added, and how often training has it: a tenth of its examples."""


class Scan(ExampleTask):
    """All 20,910 commands of SCAN and the actions that they mean, parted as published into training and test.

    Equation:
        x = the words of a command of the grammar,   y = its interpretation, 1 to 48 actions, and an end symbol

        split            training   test      what the test asks for
        simple             16,728   4,182     commands drawn at random
        simple_p    p % of 20,910   the rest  the same, of less training
        length             16,990   3,920     24 to 48 actions after training on at most 22
        add_jump           14,670   7,706     jump in commands, after training on it alone (1,467 times)
        add_turn_left      21,890   1,208     turn left in commands, after training on it alone (2,189 times)

    Source: Lake & Baroni 2018, arXiv 1711.00350, and the authors' files, github.com/brendenlake/SCAN. Commands come
    from the grammar; those of simple and simple_p are drawn by `split_seed`, since the authors' draw is in their files
    alone, so single commands stand on other sides than theirs. The other splits are theirs to the command.

    When to use: to see whether a model puts known parts together in new ways: nearly all that read and write solve
    simple, and fail at length and add_jump. The gold alignment is ours: each action comes from the word that names it,
    a turn from `left` or `right`.

    Args:
        split: which commands are trained on, and which are the test.
        percent: p of simple_p, and of no other; rounded down to whole commands; the authors' are 1, 2, 4, 8, 16, 32 and
            64.
        valid: validation takes a tenth of the commands that are trained on, drawn by `split_seed`; "trained": they are
            trained on none the less, so training is as published and validation tells how well it is learnt;
            "held_out": they are not. The added primitive is never among them.
        split_seed: draws the simple split and the validation set, and the order of validation and test.
        bucket: training sorts so many batches by length together, so that each has little padding; 1 for none of it.

    Raises:
        PartError: simple_p without a percent from 1 to 99, or another split with one.
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
            allowed = "1 to 99" if split == "simple_p" else "null; it goes with split: simple_p"
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
        size = SIMPLE if percent is None else len(drawn) * percent // 100
        train, test = drawn[:size], drawn[size:]
    else:
        train = [command for command in drawn if _is_trained(split, command)]
        test = [command for command in drawn if not _is_trained(split, command)]
    primitive, times = ADDED.get(split, ("", 1))
    added = [command for command in train if " ".join(command.words) == primitive]
    train = [command for command in train if command not in added]
    tenth = max(1, len(train) // 10)
    trained = train[tenth:] if valid == "held_out" else train
    return {"train": _held(trained + added * times), "valid": _held(train[:tenth]), "test": _held(test)}


def _is_trained(split: Name, command: Command) -> bool:
    if split == "length":
        return len(command.actions) <= LONGEST_TRAINED
    primitive, _ = ADDED[split]
    text = " ".join(command.words)
    return text == primitive or primitive not in text


def _held(some: Sequence[Command]) -> Examples:
    word, action = WORDS.index, ACTIONS.index
    return Examples(
        Ragged.of(tuple(map(word, command.words)) for command in some),
        Ragged.of(tuple(map(action, command.actions)) for command in some),
        Ragged.of(command.places for command in some),
    )
