"""Renders report.html: one file with its data, styles and scripts."""

import base64
import hashlib
import json
import shlex
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seqtool.analysis.report.cost import costs
from seqtool.analysis.report.curves import curves
from seqtool.analysis.report.examples import by_length, mistakes
from seqtool.analysis.report.intervention_effects import intervention_tables
from seqtool.analysis.report.packing import pack_seed
from seqtool.analysis.report.recipe_differences import differences
from seqtool.analysis.report.results import format_mean, format_number, format_time, results, title
from seqtool.analysis.report.visible_symbols import visible
from seqtool.runs.contents import Run, Seed

WEIGHT_BYTES = 6_000_000
"""Approximate limit for the weights in the page."""

SCRIPTS = ("theme.js", "charts.js", "mistakes.js", "explorer.js")


def render(run: Run) -> str:
    """Render the page of a run."""
    style = _asset("uPlot.min.css") + _template_file("report.css")
    scripts = [_asset("uPlot.iife.min.js"), *map(_template_file, SCRIPTS)]
    packed = _packed(run)
    lengths = by_length(run.variants)
    differ, unreadable = differences({name: text for name, text in run.resolved.items() if text})
    run.problems += [f"{name}/resolved.yaml is not a valid recipe" for name in unreadable]
    page = _environment().get_template("report.html")
    return page.render(
        run=run,
        name=_name(run),
        begun=format_time(run.plan.get("created")),
        style=Markup(style),
        style_hash=_hash(style),
        scripts=[Markup(script) for script in scripts],
        script_hashes=list(map(_hash, scripts)),
        results=results(run),
        costs=costs(run),
        lengths=lengths,
        mistakes={name: mistakes(seeds) for name, seeds in run.variants.items()},
        interventions=intervention_tables(run.variants),
        differences=differ,
        facts=list(_facts(run)),
        places=_places(run.seeds),
        packed=packed,
        data=_script_json(_data(run, lengths, packed)),
    )


@cache
def _environment() -> Environment:
    loader = PackageLoader("seqtool.analysis.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters.update(mean=format_mean, number=format_number, visible=visible, title=title)
    return environment


def _data(run: Run, lengths: Any, packed: list[tuple[Seed, str]]) -> dict[str, Any]:
    """The data of the scripts."""
    accuracies = {
        name: [{"label": row.label, "exact": row.exact, "symbols": row.symbols} for row in rows]
        for name, rows in lengths.items()
    }
    models = [
        {"variant": seed.variant, "seed": seed.seed, "weights": bool(seed.attention or seed.snapshots)}
        for seed, _ in packed
    ]
    return {
        "variants": list(run.variants),
        "curves": _titled(curves(run.variants)),
        "lengths": accuracies,
        "models": models,
    }


def _titled(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**curve, "title": title(curve["name"])} for curve in found]


def _packed(run: Run) -> list[tuple[Seed, str]]:
    """The seeds that have examples, packed; the byte limit is divided equally among them."""
    seeds = [seed for seed in run.seeds if seed.examples or seed.snapshot_examples]
    return [(seed, pack_seed(seed, WEIGHT_BYTES // len(seeds))) for seed in seeds]


def _name(run: Run) -> str:
    name = run.plan.get("recipe")
    return name if isinstance(name, str) and name else run.path.resolve().name


def _facts(run: Run) -> Iterable[tuple[str, str]]:
    """Labels and values from run.json."""
    plan = run.plan
    if begun := format_time(plan.get("created")):
        yield "Started", begun
    for key, label in (("source", "Recipe"), ("device", "Requested device")):
        if plan.get(key):
            yield label, format_number(plan[key])
    command = plan.get("command")
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        yield "Command", shlex.join(command)
    if plan.get("overrides"):
        yield "Overrides (--set)", format_number(plan["overrides"])
    git = plan.get("git")
    if isinstance(git, dict):
        yield "Commit", f"{git.get('commit')}{', with uncommitted changes' if git.get('changed') else ''}"
    versions = plan.get("versions")
    if isinstance(versions, dict):
        yield from ((name, format_number(version)) for name, version in versions.items())
    plugins = plan.get("plugins")
    if isinstance(plugins, list):
        named = [plugin for plugin in plugins if isinstance(plugin, dict)]
        yield (
            "Plugins",
            ", ".join(f"{one.get('name')} ({one.get('distribution')} {one.get('version')})" for one in named),
        )


def _places(seeds: Iterable[Seed]) -> list[tuple[list[str], list[tuple[str, str]]]]:
    """Groups of seeds with equal environments, and the items of the environment."""
    omitted = ("format", "seed", "parameters", "parameters_within")
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for seed in seeds:
        if seed.environment:
            items = ((key.replace("_", " "), format_number(value)) for key, value in seed.environment.items())
            facts = tuple((key, value) for key, value in items if key.replace(" ", "_") not in omitted)
            found.setdefault(facts, []).append(f"{seed.variant}, seed {seed.seed}")
    return [(names, list(facts)) for facts, names in found.items()]


def _asset(name: str) -> str:
    return (files("seqtool.analysis") / "assets" / name).read_text()


def _template_file(name: str) -> str:
    return (files("seqtool.analysis.report") / "templates" / name).read_text()


def _hash(content: str) -> str:
    """The hash by which the content security policy of the page admits a script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _script_json(value: Any) -> Markup:
    """JSON that is safe inside a script element."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
