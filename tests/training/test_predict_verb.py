"""`seqtool predict` on the command line: files, standard input, bad lines, interactive mode."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import seqtool
from seqtool.cli import main
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.inference.line_predictor import LinePredictor
from seqtool.inference.predictor import Predictor
from seqtool.inference.text_lines import read_lines

HEADING = "line\trank\tscore\tsource\tprediction\n"
Run = Callable[..., tuple[int, str, str]]


class Typed:
    """Standard input with bytes, as in the interpreter."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)
        self.text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
        self.encoding = "utf-8"

    def readline(self) -> str:
        return self.text.readline()

    def read(self, size: int = -1) -> str:
        return self.text.read(size)

    def isatty(self) -> bool:
        return False


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process; return its exit code, stdout and stderr."""

    def run(*arguments: str | Path, typed: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", Typed(typed))
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments)])
        assert isinstance(caught.value.code, int)
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


def table(text: str) -> list[list[str]]:
    assert text.startswith(HEADING)
    return [line.split("\t") for line in text.splitlines()[1:]]


def test_standard_input_to_a_table_in_order(run: Run, moved: Path) -> None:
    words = [" ".join(word) for word in ("abc", "d", "cadbac", "bb", "acd", "dcba", "aa")]
    code, out, err = run("predict", moved, "--batch-size", "3", typed="\n".join(words).encode())
    assert (code, err) == (0, "")
    found = seqtool.load(moved).predict(words)
    assert [(row[0], row[1], row[3], row[4]) for row in table(out)] == [
        (str(i), "1", one.source, one.text) for i, one in enumerate(found, start=1)
    ]
    assert [float(row[2]) for row in table(out)] == pytest.approx([one.score for one in found], abs=1e-4)


def test_line_numbers_continue_over_files_with_any_line_ends(run: Run, moved: Path, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"\xef\xbb\xbfa b c\r\nc a d\r\n")
    (tmp_path / "two").write_bytes(b"d d a b")
    code, out, err = run("predict", moved, tmp_path / "one", "-", tmp_path / "two", typed=b"b c d\n")
    assert (code, err) == (0, "")
    assert [(row[0], row[3]) for row in table(out)] == [
        ("1", "a b c"),
        ("2", "c a d"),
        ("3", "b c d"),
        ("4", "d d a b"),
    ]


def test_several_hypotheses_as_objects_in_a_file_with_their_weights(run: Run, moved: Path, tmp_path: Path) -> None:
    out, kept = tmp_path / "out.jsonl", tmp_path / "weights.npz"
    flags = ("--search", "{type: beam, size: 4}", "--n-best", "2", "--out", out, "--weights", kept)
    assert run("predict", moved, *flags, typed=b"a b c\nd a\n") == (0, "", "")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["line"] for line in lines] == [1, 2]
    assert [line["source_symbols"] for line in lines] == [["a", "b", "c"], ["d", "a"]]
    found = seqtool.load(moved).predict(["a b c", "d a"], search={"type": "beam", "size": 4, "best": 2})
    with np.load(kept) as arrays:
        assert set(arrays) == {"1/1", "1/2", "2/1", "2/2"}
        for line, one in zip(lines, found, strict=True):
            assert line["source"] == one.source
            for rank, (written, hypothesis) in enumerate(zip(line["predictions"], one.hypotheses, strict=True), 1):
                assert written["text"] == hypothesis.text
                assert written["symbols"] == list(hypothesis.symbols)
                assert written["score"] == pytest.approx(hypothesis.score, abs=1e-4)
                assert np.allclose(arrays[f"{line['line']}/{rank}"], hypothesis.weights, atol=1e-5)


def test_a_bad_line_stops_with_its_number_after_earlier_predictions(run: Run, moved: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "words", tmp_path / "out.tsv"
    source.write_text("a b\nc d a\nb x a\nd d\n")
    code, written, err = run("predict", moved, source)
    assert (code, err) == (1, f"error: {source}:3: the source vocabulary has no 'x'\n")
    assert [row[3] for row in table(written)] == ["a b", "c d a"]
    assert run("predict", moved, source, "--out", out)[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["words"]


def test_bad_lines_are_reported_and_skipped_on_request(run: Run, moved: Path) -> None:
    typed = b"a b\n\nb x a\n\xff a\nd d\n"
    code, out, err = run("predict", moved, "--bad-lines", "skip", typed=typed)
    assert code == 0
    assert [(row[0], row[3]) for row in table(out)] == [("1", "a b"), ("5", "d d")]
    assert err.splitlines() == [
        "warning: standard input:2: the source has no symbols",
        "warning: standard input:3: the source vocabulary has no 'x'",
        "warning: standard input:4: not UTF-8: invalid start byte at byte 1 of the line",
        "warning: skipped 3 lines",
    ]


def test_tabs_in_a_source_do_not_make_columns(run: Run, moved: Path) -> None:
    (row,) = table(run("predict", moved, typed=b"a\tb\n")[1])
    assert row[3] == "a\\tb"


@pytest.mark.parametrize("flags", [("--format", "jsonl"), ("--json",)])
def test_objects_on_standard_output(run: Run, moved: Path, flags: tuple[str, ...]) -> None:
    code, out, err = run("predict", moved, *flags, typed=b"a b\nd a\n")
    assert (code, err) == (0, "")
    assert [json.loads(line)["source"] for line in out.splitlines()] == ["a b", "d a"]


def test_empty_input_prints_only_the_heading(run: Run, moved: Path) -> None:
    assert run("predict", moved) == (0, HEADING, "")


def test_without_any_prediction_nothing_is_printed(run: Run, moved: Path) -> None:
    code, out, err = run("predict", moved, typed=b"x\n")
    assert (code, out) == (1, "")
    assert "has no 'x'" in err


def test_a_line_that_the_model_refuses_is_identified_in_its_batch(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predict_batch = Predictor.predict_batch

    def strict(self: Predictor, texts: list[str], ids: list[tuple[int, ...]], *rest: object) -> object:
        if max(map(len, ids)) > 3:
            raise SeqtoolError("at most 3 positions")
        return predict_batch(self, texts, ids, *rest)

    monkeypatch.setattr(Predictor, "predict_batch", strict)
    told: list[str] = []
    loaded = seqtool.load(moved)
    lines = LinePredictor(loaded, loaded.build_search(), 4, None, lambda error: told.append(str(error)))
    batches = lines.predict(read_lines([("f", io.BytesIO(b"a b\na b c d\nc\nd\na b c d\nb\n"))]))
    assert [number for batch in batches for number, _ in batch] == [1, 3, 4, 6]
    assert told == ["f:2: at most 3 positions", "f:5: at most 3 positions"]


@pytest.fixture
def knows_unknown(moved: Path, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """The trained model, loaded by every verb, whose source symbol d stands for unknown symbols."""
    loaded = seqtool.load(moved)
    vocabulary = loaded.task.source_vocabulary
    loaded.task.source_vocabulary = replace(vocabulary, unknown=vocabulary.symbols.index("d"))
    monkeypatch.setattr("seqtool.inference.loading.load", lambda *arguments, **options: loaded)
    return loaded


def test_a_symbol_that_training_never_saw_is_reported_once(run: Run, knows_unknown: Predictor, moved: Path) -> None:
    code, out, err = run("predict", moved, "-", typed=b"a b\nx b y\nx x\nz\n")
    assert (code, len(out.splitlines())) == (0, 5)
    tail = "in a source; the model reads the unknown symbol instead"
    assert err.splitlines() == [
        f"warning: standard input:2: training never saw 'x', 'y' {tail}",
        f"warning: standard input:4: training never saw 'z' {tail}",
    ]
    code, out, err = run("predict", moved, "--interactive", typed=b"a x\n")
    assert (code, err) == (0, f"warning: 'a x': training never saw 'x' {tail}\n")
    code, out, err = run("evaluate", moved, "-", "--json", typed=b"a x\tb a\n")
    assert (code, err) == (0, f"warning: 'a x': training never saw 'x' {tail}\n")


def test_a_symbol_that_training_never_saw_may_be_an_error(run: Run, knows_unknown: Predictor, moved: Path) -> None:
    code, out, err = run("predict", moved, "-", "--unknown", "error", typed=b"a b\nx b\n")
    assert (code, err) == (1, "error: standard input:2: training never saw 'x' in a source\n")
    code, out, err = run("predict", moved, "-", "--unknown", "error", "--bad-lines", "skip", typed=b"a b\nx b\n")
    assert (code, len(out.splitlines())) == (0, 2)


def test_unknown_symbols_in_python(knows_unknown: Predictor) -> None:
    with pytest.warns(UserWarning, match="source 2: training never saw 'x' in a source"):
        knows_unknown.predict(["a b", "x b", "x"])
    with pytest.raises(SeqtoolError, match="training never saw 'x'"):
        knows_unknown.predict(["a b", "x b"], unknown="error")
    with pytest.raises(MisuseError, match="allowed: warn, error"):
        knows_unknown.predict(["a b"], unknown="skip")


def test_one_batch_is_read_at_a_time(moved: Path) -> None:
    loaded, read = seqtool.load(moved), []

    def endless() -> object:
        while True:
            read.append(1)
            yield b"a b c\n"

    predictor = LinePredictor(loaded, loaded.build_search(), 5, None, lambda error: None)
    batches = predictor.predict(read_lines([("f", endless())]))
    for count in (5, 10, 15):
        assert len(next(batches)) == 5
        assert len(read) == count


def test_interactive_mode_draws_attention_weights(run: Run, moved: Path) -> None:
    code, out, err = run("predict", moved, "--interactive", typed=b"a b c\na x\nd c b\n")
    assert (code, err) == (0, "error: the source vocabulary has no 'x'\n")
    first, _, columns, *rows = out.splitlines()[:7]
    assert first.split("\t")[0] == "c b a"
    assert columns == "     a b c"
    assert [row[0] for row in rows] == ["c", "b", "a", "<"]
    assert "b c d\t" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--interactive", "--out", "x"), 2, "--interactive cannot be used with"),
        (("--interactive", "--json"), 2, "--interactive cannot be used with"),
        (("--n-best", "3"), 2, "returns one hypothesis per source, not 3"),
        (("--search", "{type: beam"), 2, "--search:1:"),
        (("--search", ""), 2, "expected a search, got null"),
        (("--variant", "defalt"), 2, "did you mean 'default'?"),
        (("--seed", "1"), 2, "allowed: 3"),
        (("nowhere.txt",), 2, "nowhere.txt"),
        (("--out", "no/such/folder/out.tsv"), 1, "cannot write no/such/folder/out.tsv"),
        (("--out", "both.npz", "--weights", "./both.npz"), 2, "--out and --weights name the same file: both.npz"),
        (("--weights", "no/such/folder/out.npz"), 1, "cannot write no/such/folder/out.npz"),
    ],
)
def test_invalid_arguments_of_predict(run: Run, moved: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    found, out, err = run("predict", moved, *arguments, typed=b"a b\n")
    assert (found, out) == (code, "")
    assert words in err
    assert "Traceback" not in err


def test_a_pipe_is_not_replaced_by_a_file(run: Run, moved: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for flag in ("--out", "--weights"):
        code, out, err = run("predict", moved, flag, tmp_path / "pipe", typed=b"a b\n")
        assert (code, out) == (2, "")
        assert "is not a regular file" in err
    assert (tmp_path / "pipe").is_fifo()


def test_a_closed_pipe_is_not_a_file_error(moved: Path, tmp_path: Path) -> None:
    words, kept = tmp_path / "words", tmp_path / "weights.npz"
    words.write_text("a b c d a b\n" * 3000)
    line = f"{sys.executable} -m seqtool predict {moved} {words} --weights {kept} | head -n 1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (HEADING, "")
    assert not kept.exists()


def test_folders_that_are_not_runs(run: Run, tmp_path: Path) -> None:
    code, _, err = run("predict", tmp_path)
    assert (code, err) == (1, f"error: {tmp_path} is not a run: it has no run.json\n")


def test_a_missing_resolved_recipe_is_reported(run: Run, moved: Path, tmp_path: Path) -> None:
    shutil.copytree(moved, tmp_path / "run")
    resolved = tmp_path / "run/default/resolved.yaml"
    resolved.unlink()
    code, _, err = run("predict", tmp_path / "run")
    assert (code, err) == (2, f"error: {resolved}: the file is missing, and the run needs it\n")
