"""`seqtool verify`: compares published numbers with the results of a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqtool.cli.output import emit_json, emit_note, emit_table
from seqtool.cli.verb_options import PluginFlags, plugin_options, table_options, verb
from seqtool.errors import MisuseError
from seqtool.statistics.number_text import LARGE, number_text

if TYPE_CHECKING:
    from seqtool.registry import Registry
    from seqtool.verification.claim import Claim
    from seqtool.verification.verdict import Verdict

EXAMPLE = """\
seqtool verify --list
seqtool verify align_30_10
seqtool verify scan_length --seed 0 --out my_runs"""


@verb("verify", example=EXAMPLE)
@click.argument("name", required=False)
@click.option("--list", "listed", is_flag=True, help="List the bundled claims.")
@click.option("--as-published", is_flag=True, help="Train with the schedule of the publication.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the runs; default: runs/verify/NAME.")
@click.option("--seeds", "count", type=click.IntRange(min=1), metavar="N", help="Only the first N seeds of the claim.")
@click.option(
    "--seed", "seeds", multiple=True, type=click.IntRange(min=0), help="Only this seed of the claim (repeatable)."
)
@click.option(
    "--device", metavar="NAME", help="cpu, cuda, mps; default: the recipe's for training, the CPU for evaluation."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Train N seeds in parallel, in processes that share the device; default: 1.",
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
@table_options
@plugin_options
def command(
    name: str | None,
    listed: bool,
    as_published: bool,
    out: Path | None,
    count: int | None,
    seeds: tuple[int, ...],
    device: str | None,
    workers: int,
    quiet: bool,
    as_json: bool,
    plugins: PluginFlags,
) -> int:
    """Train the recipe of the claim NAME, a name of --list or a file, and check its measures against their bands.

    Runs of the same recipe in --out are resumed or reused. The exit code is 0 if every measure is within its band, else
    1. Writes verdict.json to the folder.
    """
    if listed != (name is None):
        raise MisuseError("give either the NAME of a claim or --list")
    if count and seeds:
        raise MisuseError("--seeds and --seed cannot be used together")
    registry = plugins.registry()

    from seqtool.verification.claim import load_claim
    from seqtool.verification.verify import verify

    if name is None:
        _list(registry, as_json)
        return 0
    claim = load_claim(name, registry)
    known = claim.document.seeds
    if count and count > len(known):
        raise MisuseError(f"{claim.name} has {len(known)} seeds", allowed=[f"--seeds 1 to {len(known)}"])
    verdict = verify(
        claim,
        out=out,
        as_published=as_published,
        seeds=known[:count] if count else seeds,
        device=device,
        registry=registry,
        workers=workers,
        show_bar=not quiet,
    )
    if as_json:
        emit_json(verdict.plain())
    else:
        _show(verdict)
    return 0 if verdict.holds else 1


def _list(registry: "Registry", as_json: bool) -> None:
    from seqtool.verification.claim import bundled_claims, load_claim

    claims = [load_claim(name, registry) for name in bundled_claims()]
    if as_json:
        emit_json({"claims": [_claim_json(claim) for claim in claims]})
        return
    rows = [
        (claim.name, claim.document.recipe, str(len(claim.document.seeds)), claim.document.published)
        for claim in claims
    ]
    emit_table(("CLAIM", "RECIPE", "SEEDS", "PUBLISHED"), rows)


def _claim_json(claim: "Claim") -> dict[str, object]:
    document = claim.document
    keys = ("title", "published", "source", "recipe", "as_published", "seeds", "note")
    measures = [
        {"name": measure.name, "published": measure.published, "band": measure.band} for measure in claim.measures
    ]
    return {"name": claim.name, **{key: getattr(document, key) for key in keys}, "measures": measures}


def _show(verdict: "Verdict") -> None:
    document = verdict.claim.document
    schedule = "the published schedule" if verdict.as_published else "our schedule"
    emit_note(f"{verdict.claim.name}: {document.title}\n{document.published}\n{document.source}\n")
    heading = ("measure", *(f"seed {seed}" for seed in verdict.seeds), "mean", "band", "published", "holds")
    rows = []
    for finding in verdict.findings:
        numbers = [*finding.values.values(), finding.mean]
        published = "-" if finding.measure.published is None else f"{finding.measure.published:g}"
        holds = {True: "yes", False: "NO", None: "-"}[finding.holds]
        rows.append((finding.measure.name, *map(_number, numbers), finding.measure.band, published, holds))
    emit_table(heading, rows)
    note = f"\n{document.note}" if document.note else ""
    emit_note(f"{note}\n{verdict.text}; {schedule}, {verdict.about['recipe']}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and 1 < abs(value) < LARGE else number_text(value)
