"""`seqtool list`: the parts that recipes can name."""

import click

from seqtool.cli.output import emit_json, emit_table
from seqtool.cli.verb_options import PluginFlags, plugin_options, table_options, verb
from seqtool.registry import Registered, Registry


@verb("list", example="seqtool list scorer\nseqtool list --json | jq '.parts[].canonical'")
@click.argument("kind", required=False)
@plugin_options
@table_options
def command(kind: str | None, plugins: PluginFlags, as_json: bool) -> None:
    """List the parts that recipes can name, or those of one KIND (cell, scorer, task, ..., verb)."""
    registry = plugins.registry()
    parts = registry.parts(kind)
    if as_json:
        emit_json({"parts": [part_json(registry, part) for part in parts]})
        return
    if parts:
        rows = [(f"{part.kind}/{registry.label(part)}", part.summary, str(part.plugin)) for part in parts]
        emit_table(("PART", "SUMMARY", "PLUGIN"), rows)
    else:
        click.echo(f"no {kind or 'part'} found: no working plugin provides one", err=True)
    if broken := registry.broken():
        names = ", ".join(str(plugin) for plugin in broken)
        click.echo(f"broken, see `seqtool plugins`: {names}", err=True)


def part_json(registry: Registry, part: Registered) -> dict[str, str]:
    """The entry of a part in JSON output."""
    return {
        "kind": part.kind,
        "name": part.name,
        "label": f"{part.kind}/{registry.label(part)}",
        "canonical": part.canonical,
        "summary": part.summary,
        "target": part.target,
        "plugin": part.plugin.name,
        "distribution": part.plugin.distribution,
        "version": part.plugin.version,
        "origin": part.plugin.origin,
    }
