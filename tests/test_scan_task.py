"""SCAN: the published commands, actions and split sizes, and a second implementation of the grammar."""

from collections import Counter
from typing import Any

import pytest
import torch
from test_tasks import examples, task

from seqtool.api import Examples, PartError, SeqtoolError

LEFT, RIGHT = "I_TURN_LEFT", "I_TURN_RIGHT"
PUBLISHED = {
    # the paper's figure 1 and the table in its repository
    "jump": "I_JUMP",
    "jump left": "I_TURN_LEFT I_JUMP",
    "jump around right": "I_TURN_RIGHT I_JUMP I_TURN_RIGHT I_JUMP I_TURN_RIGHT I_JUMP I_TURN_RIGHT I_JUMP",
    "turn left twice": "I_TURN_LEFT I_TURN_LEFT",
    "jump thrice": "I_JUMP I_JUMP I_JUMP",
    "jump opposite left and walk thrice": "I_TURN_LEFT I_TURN_LEFT I_JUMP I_WALK I_WALK I_WALK",
    "jump opposite left after walk around left": (
        "I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK I_TURN_LEFT I_TURN_LEFT I_JUMP"
    ),
    # lines of the repository's tasks_train_simple_p1.txt
    "jump opposite right twice and turn opposite right thrice": (
        "I_TURN_RIGHT I_TURN_RIGHT I_JUMP I_TURN_RIGHT I_TURN_RIGHT I_JUMP "
        "I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT"
    ),
    "run opposite left after walk right": "I_TURN_RIGHT I_WALK I_TURN_LEFT I_TURN_LEFT I_RUN",
    "look right and turn opposite right twice": (
        "I_TURN_RIGHT I_LOOK I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT"
    ),
    "turn around left after turn opposite right": (
        "I_TURN_RIGHT I_TURN_RIGHT I_TURN_LEFT I_TURN_LEFT I_TURN_LEFT I_TURN_LEFT"
    ),
    "turn left after jump twice": "I_JUMP I_JUMP I_TURN_LEFT",
    "look thrice after turn around left twice": f"{'I_TURN_LEFT ' * 8}I_LOOK I_LOOK I_LOOK",
    "walk and walk": "I_WALK I_WALK",
    "run right twice and run around right twice": f"{'I_TURN_RIGHT I_RUN ' * 10}".strip(),
}


def actions(command: str) -> list[str]:
    """The actions of a command, computed by splitting it."""
    for word in (" and ", " after "):
        if word in command:
            first, second = command.split(word)
            return actions(first) + actions(second) if word == " and " else actions(second) + actions(first)
    if command.endswith((" twice", " thrice")):
        clause, adverb = command.rsplit(" ", 1)
        return actions(clause) * (2 if adverb == "twice" else 3)
    verb, *rest = command.split()
    move = [] if verb == "turn" else [f"I_{verb.upper()}"]
    if not rest:
        return move
    turn = [LEFT if rest[-1] == "left" else RIGHT]
    if rest[0] == "around":
        return (turn + move) * 4
    return turn * len(rest) + move


def made(**options: Any) -> Any:
    task_ = task("scan", **options)
    task_.prepare()
    return task_


def texts(some: Examples, made: Any) -> list[tuple[str, str]]:
    """Each example as command and actions."""
    sides = []
    for rows, symbols in (
        (some.source, made.source_vocabulary.symbols),
        (some.target, made.target_vocabulary.symbols),
    ):
        ids, starts = rows.values.tolist(), rows.starts.tolist()
        sides.append([" ".join(symbols[i] for i in ids[starts[j] : starts[j + 1]]) for j in range(len(rows))])
    return list(zip(*sides, strict=True))


def parted(**options: Any) -> dict[str, list[tuple[str, str]]]:
    task_ = made(**options)
    return {split: texts(some, task_) for split, some in task_.examples.items()}


@pytest.fixture(scope="module")
def simple() -> dict[str, list[tuple[str, str]]]:
    return parted(split="simple")


@pytest.fixture(scope="module")
def everything(simple: dict[str, list[tuple[str, str]]]) -> dict[str, str]:
    return dict(simple["train"] + simple["test"])


def test_there_are_20910_commands(everything: dict[str, str]) -> None:
    assert len(everything) == 20_910
    clauses = [command for command in everything if " and " not in command and " after " not in command]
    assert len(clauses) == 102
    assert set(everything) == {*clauses} | {
        f"{a} {word} {b}" for a in clauses for b in clauses for word in ("and", "after")
    }


def test_every_command_equals_a_second_implementation(everything: dict[str, str]) -> None:
    for command, meaning in everything.items():
        assert meaning == " ".join(actions(command)), command


@pytest.mark.parametrize("command", PUBLISHED)
def test_published_pairs(command: str, everything: dict[str, str]) -> None:
    assert everything[command] == PUBLISHED[command]
    assert " ".join(actions(command)) == PUBLISHED[command]


def test_lengths_as_published(everything: dict[str, str]) -> None:
    lengths = Counter(len(meaning.split()) for meaning in everything.values())
    assert (min(lengths), max(lengths)) == (1, 48)
    assert max(len(command.split()) for command in everything) == 9


@pytest.mark.parametrize(
    ("options", "train", "test"),
    [
        ({"split": "simple"}, 16_728, 4_182),
        ({"split": "length"}, 16_990, 3_920),
        ({"split": "add_jump"}, 14_670, 7_706),
        ({"split": "add_turn_left"}, 21_890, 1_208),
        ({"split": "simple_p", "percent": 1}, 209, 20_701),
        ({"split": "simple_p", "percent": 64}, 13_382, 7_528),
    ],
)
def test_published_sizes(options: dict[str, Any], train: int, test: int, everything: dict[str, str]) -> None:
    splits = parted(**options)
    assert (len(splits["train"]), len(splits["test"])) == (train, test)
    kinds = {name: set(pairs) for name, pairs in splits.items()}
    assert kinds["train"] | kinds["test"] == set(everything.items())
    assert not kinds["train"] & kinds["test"]
    assert kinds["valid"] <= kinds["train"]
    assert len(splits["test"]) == len(kinds["test"])


def test_length_split_trains_only_on_short_sequences() -> None:
    splits = parted(split="length")
    assert {len(meaning.split()) <= 22 for _, meaning in splits["train"]} == {True}
    assert {24 <= len(meaning.split()) <= 48 for _, meaning in splits["test"]} == {True}


@pytest.mark.parametrize(("split", "primitive"), [("add_jump", "jump"), ("add_turn_left", "turn left")])
@pytest.mark.parametrize("valid", ["trained", "held_out"])
def test_the_added_primitive_is_a_tenth_of_training_as_a_single_command(split: str, primitive: str, valid: str) -> None:
    splits = parted(split=split, valid=valid)
    counts = Counter(command for command, _ in splits["train"])
    size = 14_670 if split == "add_jump" else 21_890
    assert counts.pop(primitive) == size // 10
    assert set(counts.values()) == {1}
    assert not [command for command in counts if primitive in command]
    assert all(primitive in command and command != primitive for command, _ in splits["test"])
    assert primitive not in dict(splits["valid"])


@pytest.mark.parametrize("split", ["simple", "length", "add_jump"])
def test_validation_commands_are_from_training_or_held_out(split: str) -> None:
    trained, held_out = parted(split=split), parted(split=split, valid="held_out")
    assert trained["valid"] == held_out["valid"]
    assert trained["test"] == held_out["test"]
    assert not set(held_out["valid"]) & set(held_out["train"])
    assert len(trained["train"]) - len(held_out["train"]) == len(trained["valid"]) > 1300
    assert Counter(trained["train"]) == Counter(held_out["train"] + held_out["valid"])


def test_another_seed_draws_other_commands() -> None:
    first, second = parted(split="simple"), parted(split="simple", split_seed=1)
    shared = len(set(first["test"]) & set(second["test"]))
    assert shared == pytest.approx(4182 / 5, rel=0.15)
    first, second = parted(split="length"), parted(split="length", split_seed=1)
    assert set(first["test"]) == set(second["test"])
    assert set(first["valid"]) != set(second["valid"])


def test_each_action_is_aligned_with_its_word() -> None:
    drawn = made()
    for k in range(10):
        batch = drawn.batch("train", k, seed=0, rank=0, batch_size=64, device=torch.device("cpu"))
        for source, target, gold in examples(drawn, batch):
            assert target[-1] == "</s>"
            assert gold[-1] == -1
            named = [source[place] for place in gold[:-1]]
            assert named == [action.lower().removeprefix("i_").removeprefix("turn_") for action in target[:-1]]
            if "and" in source:
                joint = source.index("and")
                sides = [place > joint for place in gold[:-1]]
                assert sides == sorted(sides)
            elif "after" in source:
                joint = source.index("after")
                sides = [place < joint for place in gold[:-1]]
                assert sides == sorted(sides)


def test_buckets_have_less_padding() -> None:
    shares = {}
    for bucket in (1, 20):
        drawn = made(bucket=bucket)
        masks = [drawn.batch("train", k, seed=0, rank=0, batch_size=32, device=torch.device("cpu")) for k in range(40)]
        shares[bucket] = sum(m.target_mask.sum() for m in masks) / sum(m.target_mask.numel() for m in masks)
    assert shares[1] < 0.5 < 0.9 < shares[20]


def test_texts_are_encoded_and_decoded() -> None:
    drawn = made()
    ids = drawn.encode_source("jump around left")
    assert [drawn.source_vocabulary.symbols[i] for i in ids] == ["jump", "around", "left"]
    assert drawn.decode_target([3, 4, 6]) == "I_JUMP I_TURN_LEFT"
    with pytest.raises(SeqtoolError, match="did you mean 'jump'"):
        drawn.encode_source("jumps left")


@pytest.mark.parametrize(
    "options",
    [{"split": "simple_p"}, {"split": "simple_p", "percent": 100}, {"percent": 8}, {"split": "length", "percent": 100}],
)
def test_invalid_percentages_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(PartError) as caught:
        task("scan", **options)
    assert caught.value.option == "percent"
