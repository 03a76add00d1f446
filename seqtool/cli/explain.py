"""`seqtool explain`: the equation of one part, in plain Python and with a numeric example."""

import textwrap

import click

from seqtool.cli.describe import find_part
from seqtool.cli.list_ import part_json
from seqtool.cli.output import emit_json
from seqtool.cli.verb_options import PluginFlags, json_option, plugin_options, verb
from seqtool.errors import MisuseError
from seqtool.explain import Explanation, example_lines, explain
from seqtool.registry import Registered, Registry
from seqtool.registry.kinds import KINDS


@verb("explain", example="seqtool explain scorer/gmm\nseqtool explain cell/lstm --json")
@click.argument("part", metavar="KIND/NAME")
@plugin_options
@json_option
def command(part: str, plugins: PluginFlags, as_json: bool) -> None:
    """Show the equation of one part, its implementation in plain Python, and a worked example with small numbers."""
    registry = plugins.registry()
    found = find_part(registry, part)
    if not KINDS[found.kind].constructed:
        raise MisuseError(f"a {found.kind} has no equation; see `seqtool describe {part}`")
    explanation = explain(found)
    if as_json:
        emit_json({**part_json(registry, found), **_json(explanation)})
    else:
        _show(registry, found, explanation)


def _json(explanation: Explanation) -> dict[str, object]:
    description, example = explanation.description, explanation.example
    lines = [{"name": name, "value": value} for name, value in example.lines] if example else None
    return {
        "equation": description.equation,
        "source": description.source,
        "code": explanation.code,
        "example": {"given": example.given, "lines": lines} if example else None,
    }


def _show(registry: Registry, part: Registered, explanation: Explanation) -> None:
    description, example = explanation.description, explanation.example
    label = f"{part.kind}/{registry.label(part)}"
    click.echo(f"{label}: {description.summary or part.summary}")
    worked = "\n".join(example_lines(example)) if example else f"no example for {label}"
    for heading, text in (
        ("Equation", description.equation or "none"),
        ("Source", description.source or "none"),
        ("When to use", "\n".join(textwrap.wrap(description.when_to_use, 90))),
        ("In plain Python", explanation.code),
        ("Worked example", worked),
    ):
        if text:
            lines = ["  " + line if line else "" for line in text.splitlines()]
            click.echo("\n".join(["", heading, *lines]))
