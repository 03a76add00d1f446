"""Closed, missing and narrow standard streams, other encodings, control characters, and names that are not UTF-8."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from fake_runs import Call, write_run

from seqtool.cli import main, predict
from seqtool.cli.output import emit_table
from seqtool.cli.streams import visible_text
from seqtool.runs.files import read_json, write_json
from seqtool.training.progress_bar import JobsBar, TrainingBar

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
    writes: list[str] = []

    class Broken(Terminal):
        def write(self, text: str) -> int:
            writes.append(text)
            raise BrokenPipeError

        def isatty(self) -> bool:
            return terminal

    for stream in (Broken(), None):
        monkeypatch.setattr("sys.stderr", stream)
        with TrainingBar("a", 10, 0, show=True) as bar:
            bar.show(ROW | {"step": 10.0})
    assert writes, "the bar tried to write"


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


HOSTILE = "a\x1b]0;title\x07\x9b2J\u202eb"
SHOWN = r"a\x1b]0;title\x07\x9b2J\u202eb"


def test_names_from_a_run_reach_the_terminal_without_control_characters(tmp_path: Path, call: Call) -> None:
    run = write_run(tmp_path / "run", finished=False)
    shutil.copytree(run / "default", run / HOSTILE)
    (run / "run.json").write_text(json.dumps({"format": 1, "variants": ["default"], "seeds": [0], HOSTILE: 1}))
    for arguments in (("watch", run, "--once"), ("report", run), ("compare", run), ("plot", run, "losses")):
        printed = "".join(call(*arguments)[1:])
        assert not set(printed) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert "U+001B" in call("watch", run, "--once")[1], "the name must be printed"


def test_errors_and_tables_print_no_control_characters(
    capsys: pytest.CaptureFixture[str], call: Call, tmp_path: Path
) -> None:
    with visible_text():
        click.echo(HOSTILE, err=True)
        click.echo(HOSTILE)
        emit_table(["name"], [[HOSTILE]])
        click.echo(HOSTILE.encode(), nl=False)
    out, err = capsys.readouterr()
    assert SHOWN in err
    assert out == f"{SHOWN}\nname\n{SHOWN}\n{HOSTILE}", "bytes are data"
    code, _, err = call("report", tmp_path / HOSTILE)
    assert (code, SHOWN in err) == (1, True)


def test_predictions_on_a_terminal_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe or a file they are data."""
    for terminal, expected in ((True, SHOWN), (False, HOSTILE)):
        stream = io.TextIOWrapper(raw := io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr(stream, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setattr(sys, "stdout", stream)
        with visible_text(), predict._sink(None) as put:
            put(HOSTILE)
        stream.flush()
        assert raw.getvalue().decode() == expected
