"""The command line: help, exit codes, errors, and the verbs that describe plugins and parts."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import pytest
from fakes import BUILT_IN, HEADER, Fakes, parts

from seqtool.build.device_support import TESTED
from seqtool.cli import main
from seqtool.cli.output import emit_json, emit_table
from seqtool.cli.verb_options import PluginFlags
from seqtool.errors import MisuseError
from seqtool_verbs import VERBS

HEAVY = ("torch", "pydantic", "numpy", "matplotlib", "pytorch_lightning", "packaging", "rapidfuzz", "filelock")
SCORER = '''
from typing import Annotated, Literal
from annotated_types import Ge
from seqtool.api import Attention, Factory, MinLen, Normalizer, Probability, Scorer, named

class Windowed(Scorer):
    """A window over the memory.

    It moves.

    Equation:
        e_ij = - |i - j| / w
          + s_i . h_j

    Source: Somebody 2020, arXiv 1234.5678,
    eq. 9.

    Args:
        query_size: Q.
        memory_size: M, the width
            of the memory.
        width: w, in positions.
        shape, side: what the window
            looks like.

    Raises:
        PartError: never.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        *,
        width: Annotated[int, Ge(1)],
        shape: Literal["box", "gauss 2"] = "box",
        side: Probability | None = None,
        inner: Factory[Scorer],
        normalizers: Annotated[list[Factory[Normalizer]], MinLen(2)] = [named("softmax"), named("exp")],
        attention: Factory[Attention] | None = None,
    ) -> None: ...
'''

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    for name in ("SEQTOOL_NO_PLUGINS", "SEQTOOL_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    made = Fakes(tmp_path / "site", monkeypatch)
    yield made
    made.close()


@pytest.fixture
def cli(fakes: Fakes, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; return its exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, captured.out, captured.err

    return run


@pytest.fixture
def windowed(fakes: Fakes) -> Fakes:
    fakes.module("fake_scorer", SCORER)
    fakes.installed("win", parts('"scorer", "windowed_x", "fake_scorer:Windowed", "a window"'))
    return fakes


def python(code: str, arguments: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_help_lists_every_verb_and_imports_none(cli: Cli) -> None:
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    for name, _, summary in VERBS:
        assert f" {name} {summary} " in words
    assert "Example:" in out


FROM_FILES = {"report", "compare", "plot", "watch"}
"""Verbs that read only a run's files and load no plugin."""


@pytest.mark.parametrize("name", [name for name, *_ in VERBS])
def test_every_verb_has_a_worked_example_json_and_debug(cli: Cli, name: str) -> None:
    code, out, err = cli(name, "--help")
    assert (code, err) == (0, "")
    assert f"Example:\n    seqtool {name}" in out
    flags = ["--json", "--debug"]
    if name not in FROM_FILES:
        flags += ["--plugins-dir", "--no-plugin", "--strict-plugins"]
    for flag in flags:
        assert flag in out


def test_version_is_that_of_the_distribution(cli: Cli) -> None:
    import seqtool

    assert cli("--version") == (0, f"seqtool, version {seqtool.__version__}\n", "")


LIGHT = """
import json, sys
from seqtool.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    heavy = [name for name in HEAVY if name in sys.modules]
    verbs = [name for name in sys.modules if name.startswith("seqtool.cli.")]
    print(json.dumps([stop.code, heavy, verbs]), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [("--help",), ("plugins",), ("list",)])
def test_help_plugins_and_list_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    flags = [] if arguments == ("--help",) else [word for name in BUILT_IN for word in ("-p", name)]
    done = python(LIGHT.replace("HEAVY", repr(HEAVY)), [*arguments, *flags])
    code, heavy, verbs = json.loads(done.stderr.splitlines()[-1])
    assert (code, heavy) == (0, []), done.stderr
    if arguments == ("--help",):
        assert "seqtool.cli.verb_options" in verbs
        assert not {f"seqtool.cli.{name}" for name, _, _ in VERBS} & set(verbs)
    else:
        assert "attention" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("lst",), "No such verb: 'lst'. Did you mean 'list'?"),
        (("xyzzy",), "No such verb: 'xyzzy'. Available verbs: run, "),
        (("--hepl",), "No such option"),
        (("list", "--jsno"), "No such option"),
        (("list", "cell", "more"), "unexpected extra argument"),
        (("describe",), "Missing argument 'KIND/NAME'"),
        (("list", "--plugins-dir", "no/such/folder"), "does not exist"),
        (("list", "scorers"), "did you mean 'scorer'?"),
        (("list", "--no-plugin", "xyzzy"), "--no-plugin xyzzy: there is no such plugin"),
        (("list", "-p", "some/file.py"), "for a file, give its folder: --plugins-dir DIR"),
        (("describe", "xyzzy"), "'xyzzy' is not of the form KIND/NAME, for example scorer/additive"),
        (("describe", "scorers/dot"), "no kind of part is named 'scorers'"),
        (("describe", "scorer/xyzzy"), "no scorer is named 'xyzzy'"),
        (("describe", "scorer/"), "no scorer is named ''"),
    ],
)
def test_misuse_exits_with_2_and_one_block_on_stderr(cli: Cli, arguments: tuple[str, ...], expected: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [("--debug", "describe", "scorer/xyzzy"), ("describe", "--debug", "scorer/xyzzy")],
)
def test_debug_adds_the_traceback_at_any_position(cli: Cli, arguments: tuple[str, ...]) -> None:
    code, _, err = cli(*arguments)
    assert code == 2
    assert err.startswith("Traceback")
    assert "\nerror: no scorer is named 'xyzzy'" in err


def test_debug_may_come_from_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQTOOL_DEBUG", "1")
    assert cli("describe", "scorer/xyzzy")[2].startswith("Traceback")
    monkeypatch.setenv("SEQTOOL_DEBUG", "0")
    assert "Traceback" not in cli("describe", "scorer/xyzzy")[2]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyError("no\nway"), 1, "internal error: KeyError: 'no\\nway'; run again with --debug for the traceback\n"),
        (RecursionError(), 1, "internal error: RecursionError; run again with --debug for the traceback\n"),
        (MisuseError("that cannot be"), 2, "error: that cannot be\n"),
        (PermissionError(13, "Permission denied", "x/y"), 1, "error: [Errno 13] Permission denied: 'x/y'\n"),
        (KeyboardInterrupt(), 1, "stopped\n"),
    ],
)
def test_any_exception_of_a_verb_is_reported_in_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    def fail(self: PluginFlags, **_: object) -> None:
        raise error

    monkeypatch.setattr(PluginFlags, "registry", fail)
    found, out, err = cli("list")
    assert (found, out, err.lstrip("\n")) == (code, "", message)


@pytest.mark.parametrize("verb", ["list", "--help"])
def test_a_closed_pipe_is_not_an_error(verb: str) -> None:
    read, write = os.pipe()
    os.close(read)
    flags = [word for name in BUILT_IN for word in ("-p", name)]
    done = subprocess.run(
        [sys.executable, "-m", "seqtool", verb, *(flags if verb == "list" else ())],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_list_prints_name_summary_and_origin(cli: Cli, windowed: Fakes) -> None:
    code, out, _ = cli("list", "scorer")
    assert code == 0
    (line,) = [line for line in out.splitlines() if "windowed_x" in line]
    assert line.split("  ")[0] == "scorer/windowed_x"
    assert "a window" in line
    assert line.endswith("win (seqtool-win 0.3)")
    answer = json.loads(cli("list", "scorer", "--json")[1])
    assert answer["format"] == 1
    (part,) = [part for part in answer["parts"] if part["name"] == "windowed_x"]
    assert part == {
        "kind": "scorer",
        "name": "windowed_x",
        "label": "scorer/windowed_x",
        "canonical": "win:windowed_x",
        "summary": "a window",
        "target": "fake_scorer:Windowed",
        "plugin": "win",
        "distribution": "seqtool-win",
        "version": "0.3",
        "origin": "entry point",
    }


def test_list_gives_canonical_names_where_short_ones_clash(cli: Cli, windowed: Fakes) -> None:
    windowed.installed("other", parts('"scorer", "windowed_x", "fake_scorer:Windowed"'))
    out = cli("list", "scorer")[1]
    assert "scorer/win:windowed_x" in out
    assert "scorer/other:windowed_x" in out
    assert cli("describe", "scorer/windowed_x")[0] == 2
    assert cli("describe", "scorer/other:windowed_x")[0] == 0


def test_list_reports_missing_parts_on_stderr(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQTOOL_NO_PLUGINS", "1")
    verbs = ("-p", "seqtool_verbs")
    assert cli(*verbs, "list") == (0, "", "no part found: no working plugin provides one\n")
    assert json.loads(cli(*verbs, "list", "cell", "--json")[1]) == {"format": 1, "parts": []}


def test_list_mentions_broken_plugins_on_stderr(cli: Cli, fakes: Fakes) -> None:
    fakes.installed("bad", "1 / 0")
    assert cli("list")[2].endswith("broken, see `seqtool plugins`: bad (seqtool-bad 0.3)\n")


def test_describe_prints_equation_options_and_source(cli: Cli, windowed: Fakes) -> None:
    code, out, err = cli("describe", "scorer/windowed_x")
    assert (code, err) == (0, "")
    assert out.splitlines()[:4] == [
        "scorer/windowed_x: A window over the memory.",
        "win:windowed_x, from seqtool-win 0.3, fake_scorer:Windowed",
        "",
        "It moves.",
    ]
    assert "Equation\n  e_ij = - |i - j| / w\n    + s_i . h_j\n" in out
    assert "Source\n  Somebody 2020, arXiv 1234.5678,\n  eq. 9.\n" in out
    assert "  width: int >= 1 (required)\n      w, in positions.\n" in out
    assert "  inner: scorer slot (required)\n" in out
    assert "Raises" not in out
    assert "PartError" not in out


def test_describe_as_json_gives_each_option_as_recipes_write_it(cli: Cli, windowed: Fakes) -> None:
    answer = json.loads(cli("describe", "scorer/win:windowed_x", "--json")[1])
    assert answer["format"] == 1
    assert answer["equation"] == "e_ij = - |i - j| / w\n  + s_i . h_j"
    assert answer["sizes"] == [
        {"name": "query_size", "meaning": "Q."},
        {"name": "memory_size", "meaning": "M, the width of the memory."},
    ]
    rows = {option["name"]: (option["type"], option["default"]) for option in answer["options"]}
    assert rows == {
        "width": ("int >= 1", None),
        "shape": ('box | "gauss 2"', "box"),
        "side": ("float >= 0 and <= 1 | null", "null"),
        "inner": ("scorer slot", None),
        "normalizers": ("list of normalizer slot, at least 2 long", "[softmax, exp]"),
        "attention": ("{scorer, normalizer, heads} | null", "null"),
        "attention.scorer": ("scorer slot", None),
        "attention.normalizer": ("normalizer slot", "softmax"),
        "attention.heads": ("int >= 1 and <= 1000000", "1"),
    }
    meanings = {option["name"]: option["meaning"] for option in answer["options"]}
    assert meanings["shape"] == meanings["side"] == "what the window looks like."
    assert {option["name"] for option in answer["options"] if option["required"]} == {
        "width",
        "inner",
        "attention.scorer",
    }


def test_describe_of_a_bare_name_suggests_its_kind(cli: Cli, windowed: Fakes) -> None:
    code, _, err = cli("describe", "windowed_x")
    assert code == 2
    assert err == "error: 'windowed_x' is not of the form KIND/NAME; did you mean scorer/windowed_x?\n"


def test_describe_of_a_part_that_breaks_its_contract_fails(cli: Cli, fakes: Fakes) -> None:
    fakes.installed("bad", parts('"scorer", "part_x", "no_such_module_x:A"'))
    code, out, err = cli("describe", "scorer/part_x")
    assert (code, out) == (1, "")
    assert err.startswith("error: scorer 'bad:part_x' (seqtool-bad 0.3) failed to import: ModuleNotFoundError")


def test_plugins_shows_every_plugin_with_its_error_and_cost(cli: Cli, windowed: Fakes) -> None:
    windowed.installed("bad", "1 / 0")
    windowed.installed("off", "1 / 0")
    windowed.module("fake_new", "SEQTOOL_API = (1, 5)\n" + parts())
    arguments = ("plugins", "--no-plugin", "off", "-p", "fake_new")
    code, out, err = cli(*arguments)
    assert (code, err) == (0, "")
    assert "\nbad is broken: it failed to import: ZeroDivisionError: division by zero\n" in out
    assert "\nwarning: fake_new was made for API 1.5 of seqtool" in out
    rows = {line.split()[0]: line.split() for line in out.split("\n\n")[0].splitlines()}
    assert rows["win"][1:5] == ["seqtool-win", "0.3", "ok", "1"]
    assert rows["bad"][1:5] == ["seqtool-bad", "0.3", "broken", "0"]
    assert rows["off"][1:5] == ["seqtool-off", "0.3", "disabled", "0"]
    assert rows["fake_new"][1:5] == ["-p", "-", "ok", "0"]
    answer = json.loads(cli(*arguments, "--json")[1])
    plugins = {plugin["name"]: plugin for plugin in answer["plugins"]}
    assert plugins["win"]["parts"] == ["scorer/win:windowed_x"]
    assert plugins["win"]["milliseconds"] >= 0
    assert plugins["bad"]["error"] == "failed to import: ZeroDivisionError: division by zero"
    assert plugins["off"]["milliseconds"] == 0


def test_strict_plugins_fails_every_verb(cli: Cli, fakes: Fakes) -> None:
    fakes.installed("bad", "1 / 0")
    for arguments in (("list",), ("plugins",), ("describe", "scorer/dot"), ("doctor",)):
        code, out, err = cli(*arguments, "--strict-plugins")
        assert (code, out) == (1, "")
        assert err == "error: plugin bad (seqtool-bad 0.3) failed to import: ZeroDivisionError: division by zero\n"


def test_a_module_of_the_current_folder_is_found_by_name(
    cli: Cli, fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("fake_here.py").write_text(parts('"cell", "here_x", "m:A"'))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    assert "cell/here_x" in cli("list", "-p", "fake_here")[1]
    assert sys.path[-1] == str(tmp_path)


def test_json_has_no_nan_and_tables_align(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"loss": float("nan"), "seeds": {"0": [1.5, float("inf")]}, "name": "x"})
    assert json.loads(capsys.readouterr().out) == {
        "format": 1,
        "loss": None,
        "seeds": {"0": [1.5, None]},
        "name": "x",
    }
    emit_table(("A", "LONGER"), [("aaaa", "b"), ("c", ""), ("日", "d")])
    assert capsys.readouterr().out == "A     LONGER\naaaa  b\nc\n日    d\n"


def test_plugin_warnings_go_to_stderr(cli: Cli, fakes: Fakes) -> None:
    fakes.installed("new", HEADER + "SEQTOOL_API = (1, 5)\n")
    code, out, err = cli("list", "--json")
    assert code == 0
    assert json.loads(out)["format"] == 1
    assert "warning: plugin new (seqtool-new 0.3) was made for API 1.5" in err


def doctor(cli: Cli, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    code, out, _ = cli("doctor", "--json", *arguments)
    answer = json.loads(out)
    assert answer["ok"] is (code == 0)
    return code, {check["name"]: check for check in answer["checks"]}


def requires(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: list(lines))


def test_doctor_accepts_this_installation(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    requires(monkeypatch, "torch>=2.6,<3", "PyYAML>=6", "click", 'tensorboard>=2; extra == "tensorboard"')
    code, checks = doctor(cli, *[word for name in BUILT_IN for word in ("-p", name)])
    assert {check["name"]: check["note"] for check in checks.values() if check["status"] == "error"} == {}
    assert code == 0
    assert checks["torch"]["found"] == metadata.version("torch")
    assert checks["PyYAML"]["found"] == metadata.version("PyYAML")
    assert "optional" in checks["tensorboard"]["note"]
    assert checks["cpu"]["found"].endswith(" threads")
    assert "mps" in checks
    for kind, tested in TESTED.items():
        assert (checks[f"tested on {kind}"]["found"], checks[f"tested on {kind}"]["note"]) == (tested.what, tested.how)


def test_doctor_reports_missing_old_and_broken_packages(
    cli: Cli, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    requires(
        monkeypatch,
        "no-such-library-x>=1",
        "click<1",
        "fake-broken>=1",
        'no-such-extra-x; extra == "tensorboard"',
        'never-asked-x; extra == "dev"',
    )
    fakes.distribution("fake-broken", "2.0", {})
    fakes.module("fake_broken", "raise ImportError('libtorch.so: no')")
    fakes.installed("bad", "1 / 0")
    fakes.installed("lazy", parts('"scorer", "part_x", "no_such_module_x:A"'))
    fakes.module("fake_good", parts('"cell", "x", "m:A"'))
    code, checks = doctor(cli, "-p", "fake_good")
    assert code == 1
    assert (checks["no-such-library-x"]["status"], checks["no-such-library-x"]["found"]) == (
        "error",
        "not installed",
    )
    assert (checks["click"]["status"], checks["click"]["note"]) == ("error", "tested with <1")
    assert (checks["fake-broken"]["status"], checks["fake-broken"]["note"]) == (
        "error",
        "ImportError: libtorch.so: no",
    )
    assert checks["no-such-extra-x"]["status"] == "warning"
    assert "never-asked-x" not in checks
    assert (checks["plugin bad"]["status"], checks["plugin bad"]["found"]) == ("warning", "broken")
    assert "ModuleNotFoundError" in checks["scorer/lazy:part_x"]["note"]


def test_doctor_fails_without_any_part(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    requires(monkeypatch)
    monkeypatch.setenv("SEQTOOL_NO_PLUGINS", "1")
    code, checks = doctor(cli)
    assert code == 1
    assert (checks["parts"]["status"], checks["parts"]["found"]) == ("error", "0 parts of 0 plugins")


def test_doctor_warns_about_a_read_only_folder(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    requires(monkeypatch)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    _, checks = doctor(cli)
    assert checks["current folder"]["status"] == "warning"
    assert checks["current folder"]["note"].startswith("Permission denied")
