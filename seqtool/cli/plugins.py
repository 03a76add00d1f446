"""`seqtool plugins`: the plugins that were found, their load times and their errors."""

import click

from seqtool.cli.output import emit_json, emit_note, emit_table
from seqtool.cli.verb_options import PluginFlags, plugin_options, table_options, verb
from seqtool.registry import Plugin


@verb("plugins", example="seqtool plugins\nseqtool plugins --plugins-dir my_plugins --json")
@plugin_options
@table_options
def command(plugins: PluginFlags, as_json: bool) -> None:
    """List all plugins that were found: number of parts, load time in milliseconds, and errors."""
    found = plugins.registry(warn=False).plugins
    if as_json:
        emit_json({"plugins": [_json(plugin) for plugin in found]})
        return
    if not found:
        click.echo("no plugin was found", err=True)
        return
    rows = [
        (
            plugin.name,
            plugin.distribution or plugin.origin,
            plugin.version or "-",
            plugin.status,
            str(len(plugin.components)),
            f"{1000 * plugin.seconds:.1f}",
        )
        for plugin in found
    ]
    emit_table(("PLUGIN", "FROM", "VERSION", "STATUS", "PARTS", "MS"), rows)
    for plugin in found:
        if plugin.status == "broken":
            emit_note(f"\n{plugin.name} is broken: it {plugin.error}")
        for warning in plugin.warnings:
            emit_note(f"\nwarning: {plugin.name} {warning}")


def _json(plugin: Plugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "module": plugin.module,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "origin": plugin.origin,
        "status": plugin.status,
        "error": plugin.error,
        "warnings": plugin.warnings,
        "parts": [f"{part.kind}/{part.canonical}" for part in plugin.components],
        "milliseconds": round(1000 * plugin.seconds, 3),
    }
