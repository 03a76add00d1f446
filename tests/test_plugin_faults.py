"""Errors in the code of a plugin name the part, the plugin, the line of its code and the contract."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import Fakes

Call = Callable[..., tuple[int, str, str]]

SOURCE = """\
import torch
from torch import nn
from seqtool.api import Cell, Component, Scorer, hookimpl

class Dot(Scorer):
    def __init__(self, query_size: int, memory_size: int, *, fault: str = "") -> None:
        super().__init__()
        self.fault, self.map = fault, nn.Linear(query_size, memory_size)

    def score(self, query, fixed, state):
        if self.fault == "raises":
            raise NotImplementedError  # line of the fault
        scores = torch.einsum("btm,bsm->bts", self.map(query), fixed)
        if self.fault == "four dimensions":
            scores = scores.unsqueeze(-1)
        if self.fault == "in training" and torch.is_grad_enabled():
            raise ValueError("odd")  # line of the fault
        return scores if self.fault == "no state" else (scores, state)

class Sizeless(Cell):
    def __init__(self, input_size: int) -> None:
        super().__init__()

class Starless(Cell):
    def __init__(self, input_size: int, hidden_size: int = 8) -> None:
        super().__init__()

@hookimpl
def seqtool_components():
    yield Component("scorer", "dotted", Dot)
    yield Component("cell", "sizeless", Sizeless)
    yield Component("cell", "starless", Starless)
"""
RECIPE = """\
seqtool: 1
name: small
task: {type: copy, length: 3}
model: {decoder: {type: attend_before, cell: {type: rnn, hidden_size: 3}, attention: {scorer: {type: dotted}}}}
train: {steps: 2, validate_every: 2, accelerator: cpu}
"""
CONTRACT = "the contract of score: `query [B, T, Q]` -> `(scores [B, T, S], state)`"


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    made = Fakes(tmp_path / "site", monkeypatch)
    yield made
    made.close()


@pytest.fixture
def student(fakes: Fakes, tmp_path: Path) -> Path:
    """A recipe with the scorer of the plugin `fake_student`."""
    fakes.module("fake_student", SOURCE)
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return path


def failed(call: Call, *arguments: str | Path) -> str:
    code, _, err = call(*arguments, "-p", "fake_student")
    assert code in (1, 2)
    assert "internal error" not in err
    return err


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("raises", "scorer 'fake_student:dotted' (-p) raised NotImplementedError"),
        (
            "four dimensions",
            "scorer 'fake_student:dotted' (-p): score returned ([2, 1, 3, 1], ()), which led to Runtime",
        ),
    ],
)
def test_a_faulty_method_is_reported_when_the_recipe_is_checked(
    call: Call, student: Path, fault: str, expected: str
) -> None:
    err = failed(call, "validate", student, "--set", f"model.decoder.attention.scorer.fault={fault}")
    assert expected in err
    assert "fake_student.py:" in err
    assert CONTRACT in err
    assert "seqtool.testing.check_scorer" in err


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("in training", "scorer 'fake_student:dotted' (-p) raised ValueError: odd"),
        ("no state", "a model with parts of plugins (scorer fake_student:dotted) raised ValueError: too many values"),
    ],
)
def test_a_fault_that_only_training_meets_is_reported(
    call: Call, student: Path, tmp_path: Path, fault: str, expected: str
) -> None:
    flag = f"model.decoder.attention.scorer.fault={fault}"
    err = failed(call, "run", student, "--quiet", "--out", tmp_path / "run", "--set", flag)
    assert expected in err
    assert "seqtool.testing.check_scorer" in err
    if fault == "in training":
        line = SOURCE.splitlines().index('            raise ValueError("odd")  # line of the fault') + 1
        assert f'fake_student.py:{line}, in score: raise ValueError("odd")' in err


def test_a_cell_without_its_size_is_at_fault_not_the_decoder(call: Call, student: Path) -> None:
    err = failed(call, "validate", student, "--set", "model.decoder.cell=sizeless")
    assert "cell fake_student:sizeless (-p) has no output_size, which its constructor must set" in err


def test_an_option_without_a_star_is_no_size(call: Call, student: Path) -> None:
    err = failed(call, "validate", student, "--set", "model.decoder.cell=starless")
    assert "cell 'fake_student:starless' (-p): its option hidden_size must be keyword-only, after a *" in err
    assert "allowed: def __init__(self, input_size: int, *, hidden_size: int = 8)" in err


def test_a_requested_module_that_is_broken_is_reported_even_if_nothing_needs_it(call: Call, fakes: Fakes) -> None:
    fakes.module("fake_broken", "import nowhere_x")
    code, _, err = call("describe", "scorer/dot", "-p", "fake_broken")
    assert code == 0
    assert err == (
        "warning: plugin fake_broken (-p) failed to import: ModuleNotFoundError: No module named 'nowhere_x'\n"
    )
