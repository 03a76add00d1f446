"""Creating a run directory, and opening one from elsewhere."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_runs import Call, write_run

from seqtool.errors import SeqtoolError
from seqtool.runs import RunDirectory
from seqtool.runs.create import create_run
from seqtool.runs.files import write_json
from seqtool.runs.read import read_run

RESOLVED = {"one": "seqtool: 1\n"}
PLAN = {"recipe": "r", "variants": [*RESOLVED], "seeds": [0], "device": None, "overrides": []}
CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}
"""Audit events of what changes files."""


def create(path: Path) -> RunDirectory:
    return create_run(path, PLAN, "seqtool: 1\n", RESOLVED, {name: {"symbols": "ab"} for name in RESOLVED})


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != ".lock")


def killed_at(change: int, path: Path) -> bool:
    """Create a run in a process that ends before the change of that number; whether it got that far."""
    child = os.fork()
    if not child:
        count = 0

        def count_changes(event: str, arguments: object) -> None:
            nonlocal count
            count += event in CHANGES
            if count > change:
                os._exit(9)

        sys.addaudithook(count_changes)
        create(path)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("existed", [False, True])
def test_a_kill_during_creation_does_not_block_the_folder(tmp_path: Path, existed: bool) -> None:
    expected = files(create(tmp_path / "whole").path)
    change, remade = 0, 0
    while True:
        folder = tmp_path / str(change)
        if existed:
            folder.mkdir()
        if not killed_at(change, folder):
            break
        change += 1
        if (folder / "run.json").exists():
            with RunDirectory.open(folder).locked():
                pass
            with pytest.raises(SeqtoolError, match="never overwrites another"):
                create(folder)
        else:
            remade += 1
            with pytest.raises(SeqtoolError, match=r"not a run|the same command with --out again"):
                RunDirectory.open(folder)
            create(folder)
        assert files(folder) == expected
    assert remade > 10, "the kills must interrupt the writing"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["whole", *map(str, range(change + 1))])


def test_a_failed_creation_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(KeyError):
            create_run(tmp_path / name, PLAN, "seqtool: 1\n", RESOLVED, {})
    assert not (tmp_path / "new").exists()
    assert files(tmp_path / "empty") == []


def test_a_used_folder_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".notes.tmp").write_text("mine")
    with pytest.raises(SeqtoolError, match="already exists"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".notes.tmp"]


def test_temporary_files_follow_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").write_text("untouched")
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    drawn = ["00", "00", "11"]
    monkeypatch.setattr("seqtool.runs.files.secrets.token_hex", lambda size: drawn.pop())
    (tmp_path / ".a.json.11.tmp").symlink_to(tmp_path / "other")
    with pytest.raises(SeqtoolError, match="cannot write"):
        write_json(path, {"a": 2})
    assert (tmp_path / "other").read_text() == "untouched"
    assert json.loads(path.read_text()) == {"a": 1}
    write_json(path, {"a": 3})
    assert json.loads(path.read_text()) == {"a": 3}


def test_a_linked_lock_is_refused(tmp_path: Path) -> None:
    run = create(tmp_path / "run")
    (tmp_path / "other").write_text("untouched")
    run.lock.unlink(missing_ok=True)
    run.lock.symlink_to(tmp_path / "other")
    with pytest.raises(SeqtoolError, match="symbolic link"), run.locked():
        pass
    assert (tmp_path / "other").read_text() == "untouched"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("variants", ["../out"]),
        ("variants", ["/tmp/out"]),
        ("variants", [".."]),
        ("variants", ["a\x1b[2J"]),
        ("variants", []),
        ("variants", {"a": 1}),
        ("variants", None),
        ("seeds", ["0/../../out"]),
        ("seeds", [True]),
        ("seeds", [-1]),
        ("seeds", [0.5]),
        ("seeds", 3),
        ("seeds", []),
        ("recipe", 7),
        ("recipe", "../out"),
        ("device", ["cpu"]),
        ("overrides", "a=b"),
    ],
)
def test_an_invalid_plan_is_refused(tmp_path: Path, call: Call, key: str, value: Any) -> None:
    run = write_run(tmp_path / "run")
    plan = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(plan | {key: value}))
    for arguments in (("run", "--resume", run, "--quiet"), ("predict", run, os.devnull), ("intervene", run)):
        code, _, error = call(*arguments)
        assert code == 1
        assert f"error: {run / 'run.json'} is damaged: invalid {key}: " in error
        assert "\x1b" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_missing_entries_of_a_plan(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for key in ("recipe", "variants", "seeds"):
        plan = json.loads((run / "run.json").read_text())
        del plan[key]
        (tmp_path / "run.json").write_text(json.dumps(plan))
        with pytest.raises(SeqtoolError, match=f"it has no entry {key!r}"):
            RunDirectory.open(tmp_path)
    (run / "run.json").write_text('{"format": 1, "recipe": "r", "variants": ["default"], "seeds": [0]}')
    plan = RunDirectory.open(run).read_plan()
    assert (plan["device"], plan["overrides"]) == (None, [])


def _snapshots(seed: Path, outside: Path) -> None:
    (seed / "snapshots").symlink_to(outside)


def _seed(seed: Path, outside: Path) -> None:
    seed.rename(outside / "seed")
    seed.symlink_to(outside / "seed")


def _variant(seed: Path, outside: Path) -> None:
    seed.parent.rename(outside / "variant")
    seed.parent.symlink_to(outside / "variant")


def _metrics(seed: Path, outside: Path) -> None:
    (seed / "metrics.csv").rename(outside / "metrics.csv")
    (seed / "metrics.csv").symlink_to(outside / "metrics.csv")


@pytest.mark.parametrize("link", [_snapshots, _seed, _variant, _metrics])
def test_links_out_of_a_run_are_refused(tmp_path: Path, call: Call, link: Callable[[Path, Path], None]) -> None:
    run, outside = write_run(tmp_path / "run"), tmp_path / "outside"
    outside.mkdir()
    link(run / "default/seed0", outside)
    before = files(outside)
    for arguments in (("run", "--resume", run, "--quiet"), ("predict", run, os.devnull), ("intervene", run, "--save")):
        code, _, error = call(*arguments)
        assert code == 1
        assert "is a symbolic link to a place outside of the run" in error
    assert files(outside) == before
    if link is not _snapshots:
        assert any("leads out of the run" in problem for problem in read_run(run).problems)


def test_links_within_a_run_are_followed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "default/seed0/metrics.csv").rename(run / "kept.csv")
    (run / "default/seed0/metrics.csv").symlink_to(run / "kept.csv")
    (tmp_path / "link").symlink_to(run)
    RunDirectory.open(tmp_path / "link")
    assert read_run(tmp_path / "link").problems == []
