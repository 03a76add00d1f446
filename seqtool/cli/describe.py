"""`seqtool describe`: one part, explained by its own docstring and constructor."""

import inspect
import shutil
import textwrap
from collections.abc import Iterable
from dataclasses import asdict

import click

from seqtool.cli.list_ import part_json
from seqtool.cli.output import emit_json
from seqtool.cli.verb_options import PluginFlags, json_option, plugin_options, verb
from seqtool.errors import MisuseError
from seqtool.registry import Registered, Registry
from seqtool.registry.describe import Description, Option, describe, render_value


@verb("describe", example="seqtool describe scorer/additive\nseqtool describe verb/run --json")
@click.argument("part", metavar="KIND/NAME")
@plugin_options
@json_option
def command(part: str, plugins: PluginFlags, as_json: bool) -> None:
    """Explain one part: its equation, the options that recipes give it, and its source."""
    registry = plugins.registry()
    found = find_part(registry, part)
    loaded = found.load()
    description = describe_command(loaded) if isinstance(loaded, click.Command) else describe(loaded)
    if as_json:
        emit_json({**part_json(registry, found), **_json(description)})
    else:
        _show(registry, found, description)


def describe_command(command: click.Command) -> Description:
    """Read a verb's help: its text, and its arguments and options."""
    summary, _, text = inspect.cleandoc(command.help or "").partition("\n")
    context = click.Context(command)
    options = []
    for parameter in command.get_params(context):
        name = parameter.opts[-1] if isinstance(parameter, click.Option) else parameter.human_readable_name
        default = None if parameter.required else render_value(parameter.to_info_dict()["default"])
        meaning = parameter.help or "" if isinstance(parameter, click.Option) else ""
        options.append(Option(name, parameter.type.name, default, meaning))
    return Description(summary, text.strip(), "", "", "", (), tuple(options))


def find_part(registry: Registry, part: str) -> Registered:
    """The part that `KIND/NAME` means.

    Raises:
        MisuseError: there is no kind in it. PluginError: there is no such part.
    """
    kind, slash, name = part.partition("/")
    if not slash:
        raise MisuseError(_no_kind(registry, part))
    return registry.find(kind, name)


def _json(description: Description) -> dict[str, object]:
    sizes = [{"name": name, "meaning": meaning} for name, meaning in description.sizes]
    options = [{**asdict(option), "required": option.default is None} for option in description.options]
    return {**asdict(description), "sizes": sizes, "options": options}


def _no_kind(registry: Registry, name: str) -> str:
    labels = [f"{part.kind}/{registry.label(part)}" for part in registry.parts()]
    near = [label for label in labels if label.partition("/")[2] == name]
    hint = f"; did you mean {' or '.join(near)}?" if near else ", for example scorer/additive; see `seqtool list`"
    return f"{name!r}: give KIND/NAME{hint}"


def _show(registry: Registry, part: Registered, description: Description) -> None:
    click.echo(f"{part.kind}/{registry.label(part)}: {description.summary or part.summary}")
    click.echo(f"{part.canonical}, from {part.plugin.source}, {part.target}")
    for heading, text in (
        ("", description.text),
        ("Equation", description.equation),
        ("When to use", description.when_to_use),
        ("Sizes, from the parts around it", _entries(description.sizes)),
        ("Options", _entries((_heading(option), option.meaning) for option in description.options) or "none"),
        ("Source", description.source),
    ):
        if text:
            indent = "  " if heading else ""
            lines = [indent + line if line else "" for line in text.splitlines()]
            click.echo("\n".join(["", *filter(None, [heading]), *lines]))


def _heading(option: Option) -> str:
    default = "required" if option.default is None else f"default {option.default}"
    return f"{option.name}: {option.type} ({default})"


def _entries(entries: Iterable[tuple[str, str]]) -> str:
    """A heading a line, with what it means below, wrapped."""
    width = shutil.get_terminal_size().columns - 2
    return "\n".join(
        heading + textwrap.indent("\n" + textwrap.fill(meaning, max(width - 4, 40)), "    ").lstrip(" ")
        if meaning
        else heading
        for heading, meaning in entries
    )
