"""`seqtool describe`: one part, described by its docstring and its constructor."""

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
    """Describe one part: its equation, its options in recipes, and its source."""
    registry = plugins.registry()
    found = find_part(registry, part)
    loaded = found.load()
    description = describe_command(loaded) if isinstance(loaded, click.Command) else describe(loaded)
    if as_json:
        emit_json({**part_json(registry, found), **_json(description)})
    else:
        _show(registry, found, description)


def describe_command(command: click.Command) -> Description:
    """The help text, arguments and options of a verb."""
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
    """Find a part by `KIND/NAME`.

    Raises:
        MisuseError: the kind is missing. PluginError: there is no such part.
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
    return f"{name!r} is not of the form KIND/NAME{hint}"


def _show(registry: Registry, part: Registered, description: Description) -> None:
    click.echo(f"{part.kind}/{registry.label(part)}: {description.summary or part.summary}")
    click.echo(f"{part.canonical}, from {part.plugin.source}, {part.target}")
    for heading, text in (
        ("", description.text),
        ("Equation", description.equation),
        ("When to use", description.when_to_use),
        ("Sizes, set by the surrounding parts", _entries(description.sizes)),
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
    """Each heading on its own line, with the wrapped text below it."""
    width = shutil.get_terminal_size().columns - 2
    return "\n".join(
        heading + textwrap.indent("\n" + textwrap.fill(meaning, max(width - 4, 40)), "    ").lstrip(" ")
        if meaning
        else heading
        for heading, meaning in entries
    )
