"""Verbs as parts: those of plugins are listed, described and run; clashes and broken plugins are reported."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from fakes import HEADER, Fakes, parts

import seqtool
from seqtool.cli import DIAGNOSIS, main
from seqtool.errors import MisuseError
from seqtool.registry import default_registry, discover
from seqtool.testing import ContractViolation, check_verb

Cli = Callable[..., tuple[int, str, str]]
GREET = '''
import click
from seqtool.api import SeqtoolError

@click.command()
@click.argument("name")
@click.option("--times", default=1, help="How often.")
def command(name, times):
    """Greet NAME.

    Politely.
    """
    if times < 1:
        raise SeqtoolError("not even once")
    click.echo(" ".join([f"hello {name}"] * times))

@click.group()
def family():
    """Several commands."""

family.add_command(command, "greet")
'''


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    made = Fakes(tmp_path / "fakes", monkeypatch)
    made.module("fake_greet", GREET)
    yield made
    made.close()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, captured.out, captured.err

    return run


def greeting(name: str = "greet_x", attribute: str = "command") -> str:
    return parts(f'"verb", "{name}", "fake_greet:{attribute}", "a greeting"')


def test_a_plugins_verb_is_listed_with_its_distribution_and_runs(cli: Cli, fakes: Fakes) -> None:
    fakes.installed("polite", greeting())
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    own, others = out.split("Verbs of other plugins:\n")
    assert "  run " in own
    assert "  greet_x  a greeting (seqtool-polite 0.3)\n" in others
    assert cli("greet_x", "Ada", "--times", "2") == (0, "hello Ada hello Ada\n", "")
    assert cli("polite:greet_x", "Ada") == (0, "hello Ada\n", "")
    assert cli("greet_x", "Ada", "--times", "0") == (1, "", "error: not even once\n")
    code, _, err = cli("greet_x", "--tims", "2")
    assert (code, "No such option" in err) == (2, True)
    assert "Did you mean 'greet_x'?" in cli("gret_x")[2]


def test_a_group_of_commands_is_a_verb(cli: Cli, fakes: Fakes) -> None:
    fakes.installed("polite", greeting("family", "family"))
    assert cli("family", "greet", "Ada") == (0, "hello Ada\n", "")


def test_a_verb_is_listed_and_described_like_any_part(cli: Cli, fakes: Fakes) -> None:
    fakes.installed("polite", greeting())
    listed = json.loads(cli("list", "verb", "--json")[1])["parts"]
    assert {"verb/greet_x", "verb/run", "verb/doctor"} <= {part["label"] for part in listed}
    assert "verb/" not in cli("list")[1], "recipes cannot name one"
    code, out, _ = cli("describe", "verb/greet_x")
    assert code == 0
    lines = out.splitlines()
    assert lines[:4] == [
        "verb/greet_x: Greet NAME.", "polite:greet_x, from seqtool-polite 0.3, fake_greet:command", "", "Politely.",
    ]  # fmt: skip
    assert lines[6:9] == ["  NAME: text (required)", "  --times: integer (default 1)", "      How often."]
    code, _, err = cli("explain", "verb/greet_x")
    assert (code, err) == (2, "error: a verb has no equation; see `seqtool describe verb/greet_x`\n")
    with pytest.raises(MisuseError, match="a recipe cannot name a verb"):
        seqtool.make("verb/run")


@pytest.mark.parametrize("clash", ["greet_x", "run", "doctor"])
def test_a_clash_of_names_is_an_error_that_names_both(cli: Cli, fakes: Fakes, clash: str) -> None:
    fakes.installed("kind", greeting(clash), distribution="kind-verbs")
    fakes.installed("rude", greeting(clash), distribution="rude-verbs")
    code, out, err = cli(clash, "Ada")
    assert (code, out) == (2, "")
    assert "kind-verbs 0.3" in err
    assert "rude-verbs 0.3" in err
    assert ("seqtool " in err) == (clash != "greet_x")
    assert cli(f"rude:{clash}", "Ada") == (0, "hello Ada\n", "")
    help_text = cli("--help")[1]
    assert f"  kind:{clash} " in help_text
    assert f"  rude:{clash} " in help_text


def test_verbs_of_a_named_module(cli: Cli, fakes: Fakes, tmp_path: Path) -> None:
    fakes.module("fake_hand", greeting())
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "fake_file.py").write_text(greeting("wave_x"))
    assert cli("-p", "fake_hand", "greet_x", "Ada") == (0, "hello Ada\n", "")
    assert cli("--plugins-dir", str(tmp_path / "more"), "wave_x", "Ada") == (0, "hello Ada\n", "")
    for order in (("-p", "fake_hand", "--help"), ("--help", "-p", "fake_hand")):
        assert ("greet_x" in cli(*order)[1]) == (order[0] == "-p")
    code, _, err = cli("greet_x", "Ada")
    assert (code, "No such verb: 'greet_x'" in err) == (2, True)


def test_options_before_a_verb_apply_to_it(cli: Cli, fakes: Fakes) -> None:
    fakes.module("fake_hand", greeting())
    fakes.module("fake_other", greeting("wave_x"))
    code, out, _ = cli("-p", "fake_hand", "--no-plugin", "cells", "list", "verb", "-p", "fake_other")
    assert code == 0
    assert {"verb/greet_x", "verb/wave_x"} <= set(out.split())
    assert "cells" in cli("--no-plugin", "cells", "plugins")[1]
    assert cli("--no-plugin", "cells", "describe", "cell/lstm")[0] == 2


def test_a_broken_plugin_is_reported_and_other_verbs_run(cli: Cli, fakes: Fakes) -> None:
    fakes.installed("polite", greeting())
    fakes.installed("bad", "raise ImportError('no such thing')\n")
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    broken = " ".join(out.partition("Broken, see `seqtool plugins`:")[2].split())
    assert "bad it failed to import: ImportError: no such thing" in broken
    assert cli("greet_x", "Ada") == (0, "hello Ada\n", "")
    assert "Not searched: plugin bad (seqtool-bad 0.3), which failed to import" in cli("xyzzy")[2]
    assert cli("--strict-plugins", "greet_x", "Ada")[0] == 1


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("fake_greet:GREETING", "failed to import: AttributeError"),
        ("fake_missing:command", "failed to import: ModuleNotFoundError"),
        ("fake_greet:SeqtoolError", "is not an instance of click.Command"),
    ],
)
def test_a_verb_that_cannot_be_loaded_fails_alone(cli: Cli, fakes: Fakes, target: str, words: str) -> None:
    fakes.installed("half", parts(f'"verb", "broken_x", "{target}"', '"verb", "greet_x", "fake_greet:command"'))
    assert "  broken_x " in cli("--help")[1]
    code, out, err = cli("broken_x")
    assert (code, out) == (1, "")
    assert err.startswith("error: verb 'half:broken_x' (seqtool-half 0.3)")
    assert words in err
    assert cli("greet_x", "Ada") == (0, "hello Ada\n", "")


def test_without_plugins_the_installation_can_be_diagnosed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQTOOL_NO_PLUGINS", "1")
    assert discover().parts("verb") == []
    verbs = cli("--help")[1].partition("Verbs:\n")[2]
    assert [line.split()[0] for line in verbs.splitlines()[:3] if line] == list(DIAGNOSIS)
    code, out, _ = cli("plugins")
    assert (code, "disabled" in out) == (0, True)
    code, out, _ = cli("doctor")
    assert (code, "no plugin works: reinstall seqtool" in out) == (1, True)
    code, _, err = cli("run", "align_60_20")
    assert (code, "not even seqtool's own" in err) == (2, True)


def test_every_verb_of_seqtool_keeps_the_contract() -> None:
    verbs = [part for part in default_registry().parts("verb") if part.plugin.distribution == "seqtool"]
    assert {part.name for part in verbs} >= {"run", "predict", *DIAGNOSIS}
    for part in verbs:
        command = part.load()
        check_verb(command)
        assert (command.name, bool(part.summary)) == (part.name, True)


@click.command()
@click.option("--times")
def unexplained(times: str) -> None:
    """Greet."""


@click.command()
def silent() -> None:
    pass


class Failing(click.Command):
    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        raise KeyError("no help")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (unexplained, r"^verb unexplained: has options without help: --times"),
        (silent, r"^verb silent: has no help"),
        (Failing("failing", help="Fail."), r"^verb failing: --help exits with 1: 'no help'"),
        (print, r"^verb : is builtin_function_or_method, not a click command"),
    ],
)
def test_faults_of_a_verb_are_caught_and_named(command: object, words: str) -> None:
    with pytest.raises(ContractViolation, match=words):
        check_verb(command)  # type: ignore[arg-type]


def test_the_documented_verb_runs(tmp_path: Path, cli: Cli, fakes: Fakes) -> None:
    text = (Path(__file__).parent.parent / "docs/plugins.md").read_text()
    blocks = [block.partition("\n```")[0] + "\n" for block in text.split("```python\n")[1:] if '"""my_verbs/' in block]
    assert [sum(block.count("\n") for block in blocks) <= 40, len(blocks)] == [True, 2]
    for block in blocks:
        fakes.module(block.split('"""')[1].removesuffix(".py").replace("/", ".").replace("my_verbs", "fake_verbs"),
                     block.replace("my_verbs", "fake_verbs"))  # fmt: skip
    code, out, _ = cli("-p", "fake_verbs", "longest", "--help")
    assert (code, "Print the longest prediction of RUN" in out) == (0, True)
    code, _, err = cli("-p", "fake_verbs", "longest", str(tmp_path), "a b")
    assert (code, "is not a run" in err) == (1, True)
    assert HEADER.split()[1] in blocks[1]
