"""The contract of a verb: a command with help."""

import click
from click.testing import CliRunner

from seqtool.testing.contract import ContractViolation


def check_verb(command: click.Command, *, name: str = "") -> None:
    """Check that a verb prints its help, which describes the command and each option.

    Raises:
        ContractViolation: the first broken rule.
    """
    label = f"verb {name or getattr(command, 'name', '')}"
    if not isinstance(command, click.Command):
        raise ContractViolation(f"{label}: is {type(command).__name__}, not a click command")
    if not (command.help or "").strip():
        raise ContractViolation(f"{label}: has no help: give its function a docstring")
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    if bare := [option.opts[-1] for option in options if not option.help]:
        raise ContractViolation(f"{label}: has options without help: {', '.join(bare)}")
    done = CliRunner().invoke(command, ["--help"])
    if done.exit_code != 0:
        raise ContractViolation(f"{label}: --help exits with {done.exit_code}: {done.exception or done.output}")
