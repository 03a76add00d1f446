"""`seqtool validate` and `seqtool show` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import WHOLE
from hostile import hostile

from seqtool.cli import main
from seqtool.recipe import load_recipe
from seqtool.registry import Registry

Write = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; return its exit code, stdout and stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments)])
        assert isinstance(caught.value.code, int)
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


def test_validate_prints_ok_for_each_recipe(run: Run, write: Write) -> None:
    path = write(WHOLE)
    assert run("validate", path, "align_60_20") == (0, f"{path}: ok\nalign_60_20: ok\n", "")


def test_validate_reports_all_problems_of_all_recipes(run: Run, write: Write) -> None:
    bad = write(WHOLE.replace("steps: 5", "steps: x"), "bad.yaml")
    worse = write(WHOLE.replace("length: 3", "length: x, y: 1"), "worse.yaml")
    code, out, err = run("validate", bad, "align_30_10", worse)
    assert (code, out) == (2, "align_30_10: ok\n")
    assert err.startswith("error: 3 problems:\n")
    assert f"{bad}:9:16: train.steps: expected int" in err
    assert f"{worse}:3:28: task.length: expected int" in err
    assert "Traceback" not in err


def test_validate_builds_the_models_so_that_sizes_must_fit(run: Run, write: Write) -> None:
    path = write(WHOLE.replace("hidden_size: 3", "hidden_size: 5").replace("additive", "additive, heads: 2"))
    code, out, err = run("validate", path)
    assert (code, out) == (2, "")
    assert f"{path}:8:42: model.decoder.attention.heads: 2 heads do not divide" in err


def test_validate_as_json(run: Run, write: Write) -> None:
    good, bad = write(WHOLE), write(WHOLE.replace("steps: 5", "steps: x"), "bad.yaml")
    code, out, _ = run("validate", good, bad, "--json")
    content = json.loads(out)
    assert (code, content["format"]) == (2, 1)
    assert content["recipes"][str(good)] == {"ok": True, "problems": []}
    (problem,) = content["recipes"][str(bad)]["problems"]
    assert problem["path"] == "train.steps"
    assert (problem["source"], problem["line"], problem["column"]) == (str(bad), 9, 16)


def test_show_prints_a_variant_as_a_complete_recipe(run: Run, write: Write, registry: Registry) -> None:
    code, out, err = run("show", "align_60_20", "--variant", "attentive", "--set", "train.steps=7")
    assert (code, err) == (0, "")
    shown = load_recipe(write(out), registry=registry).variants["default"]
    expected = load_recipe("align_60_20", registry=registry, overrides=["train.steps=7"]).variants["attentive"]
    assert shown.data == expected.data


def test_show_prints_the_origin_of_each_value(run: Run, write: Write) -> None:
    path = write(WHOLE)
    code, out, _ = run("show", path, "--origin", "--set", "train.log_every=2")
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in out.splitlines()[2:]}
    assert code == 0
    assert lines["model.decoder.cell.hidden_size"] == ["3", f"{path}:7:37"]
    assert lines["model.encoder.type"] == ['"encoders:identity"', "default of model"]
    assert lines["train.log_every"] == ["2", "--set train.log_every=2"]
    assert lines["train.steps"] == ["5", f"{path}:9:16"]
    assert lines["model.decoder.attention.heads"] == ["1", "default of attention"]


def test_show_as_json(run: Run, write: Write) -> None:
    path = write(WHOLE + "variants: {a: {}, b: {}}")
    content = json.loads(run("show", path, "--variant", "b", "--json", "--origin")[1])
    assert list(content["variants"]) == list(content["origins"]) == ["b"]
    assert content["variants"]["b"]["train"]["steps"] == 5
    assert content["origins"]["b"]["train.steps"] == f"{path}:9:16"


def test_show_reports_unknown_variants(run: Run) -> None:
    code, _, err = run("show", "align_60_20", "--variant", "atentive")
    assert code == 2
    assert "did you mean 'attentive'?" in err


def test_hostile_recipes_end_in_an_exit_code_and_no_traceback(run: Run, tmp_path: Path) -> None:
    for label, path in hostile(tmp_path, 40):
        code, out, err = run("validate", path)
        assert (code, out) == (2, ""), label
        assert err.startswith("error: "), label
        assert str(tmp_path) in err, label
        assert "Traceback" not in err, label
        assert "internal error" not in err, label
