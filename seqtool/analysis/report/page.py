"""The page: what is shown of a run, and the one file that shows it."""

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
from seqtool.analysis.report.intervention_effects import forced
from seqtool.analysis.report.packing import pack_seed
from seqtool.analysis.report.recipe_differences import differences
from seqtool.analysis.report.results import figures, moment, results, title, within
from seqtool.analysis.report.visible_symbols import visible
from seqtool.runs.contents import Run, Seed

BUDGET = 6_000_000
"""About how many bytes of the page may be weights."""

SCRIPTS = ("theme.js", "charts.js", "explorer.js")


def render(run: Run) -> str:
    """The whole page, as text."""
    style = _asset("uPlot.min.css") + _own("report.css")
    scripts = [_asset("uPlot.iife.min.js"), *map(_own, SCRIPTS)]
    packed = _packed(run)
    lengths = by_length(run.variants)
    differ, unreadable = differences({name: text for name, text in run.resolved.items() if text})
    run.problems += [f"{name}/resolved.yaml is no recipe that can be compared" for name in unreadable]
    page = _environment().get_template("report.html")
    return page.render(
        run=run,
        name=_name(run),
        begun=moment(run.plan.get("created")),
        style=Markup(style),
        style_hash=_hash(style),
        scripts=[Markup(script) for script in scripts],
        script_hashes=list(map(_hash, scripts)),
        results=results(run),
        costs=costs(run),
        lengths=lengths,
        mistakes={name: mistakes(seeds) for name, seeds in run.variants.items()},
        forced=forced(run.variants),
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
    environment.filters.update(figures=figures, visible=visible, within=within, title=title)
    return environment


def _data(run: Run, lengths: Any, packed: list[tuple[Seed, str]]) -> dict[str, Any]:
    """What the scripts draw."""
    shares = {
        name: [{"label": row.label, "exact": row.exact, "symbols": row.symbols} for row in rows]
        for name, rows in lengths.items()
    }
    models = [
        {"variant": seed.variant, "seed": seed.seed, "looks": bool(seed.looks or seed.snapshots)} for seed, _ in packed
    ]
    return {
        "variants": list(run.variants),
        "curves": _titled(curves(run.variants)),
        "lengths": shares,
        "models": models,
    }


def _titled(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**curve, "title": title(curve["name"])} for curve in found]


def _packed(run: Run) -> list[tuple[Seed, str]]:
    """The seeds that have examples, each with an equal share of the room."""
    there = [seed for seed in run.seeds if seed.examples or seed.watched]
    return [(seed, pack_seed(seed, BUDGET // len(there))) for seed in there]


def _name(run: Run) -> str:
    name = run.plan.get("recipe")
    return name if isinstance(name, str) and name else run.path.resolve().name


def _facts(run: Run) -> Iterable[tuple[str, str]]:
    """What run.json says about how the run was made."""
    plan = run.plan
    if begun := moment(plan.get("created")):
        yield "Begun", begun
    for key, label in (("source", "Recipe"), ("device", "Device asked for")):
        if plan.get(key):
            yield label, figures(plan[key])
    command = plan.get("command")
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        yield "Command", shlex.join(command)
    if plan.get("overrides"):
        yield "Changed by --set", figures(plan["overrides"])
    git = plan.get("git")
    if isinstance(git, dict):
        yield "Commit", f"{git.get('commit')}{', with changes' if git.get('changed') else ''}"
    versions = plan.get("versions")
    if isinstance(versions, dict):
        yield from ((f"{name}", figures(version)) for name, version in versions.items())
    plugins = plan.get("plugins")
    if isinstance(plugins, list):
        named = [plugin for plugin in plugins if isinstance(plugin, dict)]
        yield (
            "Plugins",
            ", ".join(f"{one.get('name')} ({one.get('distribution')} {one.get('version')})" for one in named),
        )


def _places(seeds: Iterable[Seed]) -> list[tuple[list[str], list[tuple[str, str]]]]:
    """Where seeds were trained: those of the same device and precision together."""
    left_out = ("format", "seed", "parameters", "parameters_within")
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for seed in seeds:
        if seed.environment:
            items = ((key.replace("_", " "), figures(value)) for key, value in seed.environment.items())
            facts = tuple((key, value) for key, value in items if key.replace(" ", "_") not in left_out)
            found.setdefault(facts, []).append(f"{seed.variant}, seed {seed.seed}")
    return [(names, list(facts)) for facts, names in found.items()]


def _asset(name: str) -> str:
    return (files("seqtool.analysis") / "assets" / name).read_text()


def _own(name: str) -> str:
    return (files("seqtool.analysis.report") / "templates" / name).read_text()


def _hash(content: str) -> str:
    """What the page's security policy admits a script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _script_json(value: Any) -> Markup:
    """JSON that no text inside can end the script element of."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
