"""Closed, missing and narrow standard streams, streams of other encodings, and names that are not UTF-8."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqtool.cli import main
from seqtool.runs.files import read_json, write_json
from seqtool.training.progress_bar import JobsBar, TrainingBar

Call = Callable[..., tuple[int, str, str]]
ROW = {"step": 0.0, "train_loss": 12.34567, "train_token_accuracy": 0.5}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", shown := Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    with TrainingBar("a_variant_of_a_long_name, seed 0", 20000, 0, show=True) as bar:
        bar.show(ROW | {"step": 12000.0})
    with JobsBar([10**6] * 16, show=True) as jobs:
        jobs.finish(0)
    usual = re.sub(r"[\d.?]+ steps/s, [\d:?]+ left", "1234.56 steps/s, 01:23 left", shown.getvalue())
    lines = [line.rstrip() for line in re.split("[\r\n]", usual)]
    (last,) = [line for line in lines if line.endswith("loss 12.3457, accuracy 0.500")]
    assert last.startswith("..._name, seed 0  60%")
    assert max(map(len, lines)) < 80


def test_a_file_gets_ten_lines_instead_of_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", shown := io.StringIO())
    with TrainingBar("a, seed 0", 200, 40, show=True) as bar:
        for step in range(45, 201, 5):
            bar.show(ROW | {"step": float(step)})
    lines = shown.getvalue().splitlines()
    assert lines[0] == "a, seed 0: 60 of 200 steps, loss 12.3457, accuracy 0.500"
    assert len(lines) == 8
    assert "\r" not in shown.getvalue()
    shown.truncate(0)
    with JobsBar([100, 100], show=True) as jobs:
        jobs.show(0, 30)
        jobs.finish(1)
    assert shown.getvalue().strip("\0").splitlines() == [
        "0 of 2 jobs, 30 of 200 steps",
        "1 of 2 jobs, 130 of 200 steps",
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_that_cannot_be_written_ends_no_training(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Terminal):
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return terminal

    for stream in (Broken(), None):
        monkeypatch.setattr("sys.stderr", stream)
        with TrainingBar("a", 10, 0, show=True) as bar:
            bar.show(ROW | {"step": 10.0})


def test_streams_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with pythonw."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    for arguments, code in ((["list", "cell"], 0), (["list", "cel"], 2)):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == code
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).close()


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_descriptor_is_not_given_to_a_file(closed: str, tmp_path: Path) -> None:
    """What is written to descriptor 2 must not end in a file that was opened later."""
    script = (
        "import os; from seqtool.cli.streams import prepare_streams; prepare_streams(); "
        f"file = open({str(tmp_path / 'a')!r}, 'w'); os.write(2, b'x'); assert file.fileno() > 2; file.write('done')"
    )
    subprocess.run(["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, script], check=True)
    assert (tmp_path / "a").read_text() == "done"


def test_a_full_disk_behind_stdout_is_an_error() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "seqtool", "plugins"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "error: [Errno 28] No space left on device\n"


def test_stdout_prints_what_its_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters as escapes, and the bytes of a path that is not UTF-8 unchanged."""
    import click

    from seqtool.cli.streams import prepare_streams

    for encoding, expected in (("cp1252", b"caf\xe9 \\u3042 \xe9\n"), ("utf-8", "café あ ".encode() + b"\xe9\n")):
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw := io.BytesIO(), encoding=encoding, newline="\n"))
        prepare_streams()
        click.echo("café あ \udce9")
        sys.stdout.flush()
        assert raw.getvalue() == expected


def test_json_files_contain_names_that_are_not_utf_8(tmp_path: Path) -> None:
    content = {"path": "caf\udce9", "name": "café"}
    write_json(tmp_path / "a.json", content)
    assert "café" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "a.json").read_bytes()) == read_json(tmp_path / "a.json") == content


def test_a_data_folder_that_is_not_utf_8_is_named(tmp_path: Path, call: Call) -> None:
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    recipe = folder / "a.yaml"
    recipe.write_text("task: {type: text_pairs, train: a.tsv}\n")
    code, _, err = call("validate", recipe)
    assert code == 2
    assert "task.train: the name of the folder" in err
    assert "is not UTF-8" in err
