"""`seqtool explain` and its worked examples."""

import importlib
import json
import math
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import BUILT_IN

import seqtool.equations.examples as examples
from seqtool.cli import main
from seqtool.equations.example import Example, number, render
from seqtool.equations.examples import find_example, find_formulation
from seqtool.explain import example_lines, explain
from seqtool.registry import Registered, discover

PARTS = [part for part in discover(modules=BUILT_IN).parts() if part.plugin.module in BUILT_IN]
WORKED = ("cell", "decoder", "encoder", "normalizer", "readout", "scorer")
"""The kinds for which every part has an example."""


def written() -> Iterator[tuple[str, str]]:
    """All examples, by kind and name."""
    for module in pkgutil.iter_modules(examples.__path__):
        found = importlib.import_module(f"{examples.__name__}.{module.name}")
        for name, value in vars(found).items():
            if getattr(value, "__module__", "") == found.__name__ and value.__annotations__.get("return") is Example:
                yield module.name, name


def test_every_example_belongs_to_a_part() -> None:
    assert {kind for kind, _ in written()} == set(examples.KINDS)
    assert set(written()) <= {(part.kind, part.name) for part in PARTS}


@pytest.mark.parametrize("part", [p for p in PARTS if p.kind in WORKED], ids=lambda p: f"{p.kind}/{p.name}")
def test_every_part_with_an_equation_has_an_example(part: Registered) -> None:
    explanation = explain(part)
    assert explanation.example is not None, f"write {part.name}() in seqtool/equations/examples/{part.kind}.py"
    if part.kind in ("cell", "normalizer", "scorer"):
        assert explanation.code, f"write {part.name}() in seqtool/equations/{part.kind}.py"


@pytest.mark.parametrize(("kind", "name"), list(written()))
def test_example_is_small_and_finite(kind: str, name: str) -> None:
    example = find_example(kind, name)()
    values = [*example.given.values(), *(value for _, value in example.lines)]
    assert example.given
    assert example.lines
    assert all(math.isfinite(x) for value in values for x in flat(value))
    assert max(len(line) for line in example_lines(example)) <= 110


def flat(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield value


@pytest.mark.parametrize(
    ("kind", "name", "line", "wanted"),
    [
        ("scorer", "dot", "e_j = s . h_j", [1.0, -0.5, 1.5]),
        ("scorer", "general", "e", [0.5 * 1 - 1 * 0.5, 0.5, 0.5 - 1.0]),
        ("scorer", "scaled_dot", "e", [1 / math.sqrt(2), -0.5 / math.sqrt(2), 1.5 / math.sqrt(2)]),
        ("scorer", "additive", "W s", [0.5, 1.5]),
        ("scorer", "gmm", "mu' = mu + exp(d^)", [2.0, 0.5 + math.exp(0.7)]),
        ("scorer", "cosine", "e_j = g s . h_j / (|s| |h_j|)", [2 * 3 / 5, -2 * 4 / 5, 2 * 7 / (5 * math.sqrt(2)), 0.0]),
        ("scorer", "location_aware", "W s + V h_3 + U f_3 + b", [0.5 + 1 + 2 * 0.5, 1.5 - 2 + 0.1]),
        ("normalizer", "exp", "a", [1.0, math.e, 1 / math.e, math.exp(60)]),
        ("normalizer", "sparsemax", "a", [0.25, 0.75, 0.0]),
        ("normalizer", "monotonic", "q_j = (1 - p_{j-1}) q_{j-1} + a_{i-1,j}", [0.5, 0.86552929, 0.43276464]),
        ("cell", "rnn", "W x + U h + b", [1.25, -1.25]),
        ("cell", "min_gru", "n = g(W_n x + b_n)", [0.5 + 0.5, 1 / (1 + math.e)]),
        ("cell", "phased_lstm", "k", [0.001 * 0.5, 2 - 2 * 0.375 / 0.5]),
        ("cell", "variational_dropout", "m_h h_0", [0.0, -1.0]),
        ("decoder", "attend_before", "e = s_{i-1} . h_j", [0.5, 0.0, 1.0]),
        ("decoder", "pointer", "p(0), p(1), p(2)", [0.125, 0.875, 0.0]),
        ("readout", "linear", "logits", [1.0, -2.0, 0.5]),
        ("readout", "deep_output", "t", [1.0, 3.0]),
        ("loss", "coverage", "L", 0.375),
    ],
)
def test_lines_by_hand(kind: str, name: str, line: str, wanted: Any) -> None:
    assert dict(find_example(kind, name)().lines)[line] == pytest.approx(wanted)


def test_modules_without_an_example_are_not_found() -> None:
    for kind, name in (("scorer", "S"), ("scorer", "inner"), ("cell", "Gate"), ("task", "copy"), ("scorer", "xyzzy")):
        assert find_example(kind, name) is None
    assert find_formulation("scorer", "inner") is None
    assert find_formulation("task", "copy") is None


def test_numbers_in_four_digits() -> None:
    assert [number(x) for x in (0.1 + 0.2, -1e-17, 2.0, 1 / 3, 12345.6)] == ["0.3", "0", "2", "0.3333", "1.235e+04"]
    assert render([[1.0, 0.5], []]) == "[[1, 0.5], []]"


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main([*arguments, *(word for module in BUILT_IN for word in ("-p", module))])
    captured = capsys.readouterr()
    return int(done.value.code or 0), captured.out, captured.err


def test_explain_shows_equation_code_and_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "explain", "scorer/dot")
    assert (code, err) == (0, "")
    for words in (
        "Equation\n",
        "Source\n",
        "When to use\n",
        "In plain Python\n  def dot(",
        "Worked example\n",
        "e_j = s . h_j = [1, -0.5, 1.5]",
    ):
        assert words in out


def test_explain_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "explain", "scorer/dot", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["example"]["lines"] == [{"name": "e_j = s . h_j", "value": [1.0, -0.5, 1.5]}]
    assert told["code"].startswith("def dot(")


def test_explain_reports_a_missing_example(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "explain", "task/copy")
    assert code == 0
    assert "no example for task/copy" in out
    assert json.loads(called(capsys, "explain", "task/copy", "--json")[1])["example"] is None


def test_explain_of_an_unknown_part_fails(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "explain", "dot")
    assert (code, out) == (2, "")
    assert "not of the form KIND/NAME; did you mean scorer/dot" in err


def test_a_third_party_part_of_the_same_name_has_no_built_in_example(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = (
        "from seqtool.api import Component, Scorer, hookimpl\n"
        "class Dot(Scorer):\n    '''Mine.'''\n    def __init__(self, query_size, memory_size): ...\n"
        "@hookimpl\ndef seqtool_components():\n    yield Component('scorer', 'dot', Dot)\n"
    )
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(SystemExit):
        main(["explain", "scorer/mine:dot", "--plugins-dir", str(tmp_path)])
    assert "no example for scorer/mine:dot" in capsys.readouterr().out
