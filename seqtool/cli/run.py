"""`seqtool run`: trains the variants of a recipe and compares them."""

from pathlib import Path
from statistics import mean
from typing import Any

import click

from seqtool.cli.output import emit_json, emit_note, emit_table
from seqtool.cli.verb_options import PluginFlags, data_option, plugin_options, table_options, verb
from seqtool.statistics.number_text import number_text

EXAMPLE = """\
seqtool run align_60_20
seqtool run my.yaml --set train.steps=200 --variant attentive --seed 0 --seed 1
seqtool run align_60_20 --seed 0 --seed 1 --seed 2 --seed 3 --workers 2
seqtool run --resume runs/align_60_20/20261121-101500-ab12
seqtool run --resume my_run --seed 5 --seed 6"""

ATTENTION_METRICS = ("valid_attention_", "valid_alignment_")


@verb("run", example=EXAMPLE)
@click.argument("recipe", required=False)
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change one value of the recipe (repeatable).")
@click.option("--variant", "variants", multiple=True, metavar="NAME", help="Only this variant (repeatable).")
@click.option(
    "--seed",
    "seeds",
    multiple=True,
    type=click.IntRange(min=0),
    help="Use this seed instead of the recipe's, or add it to the run of --resume (repeatable).",
)
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps; default: the recipe's.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Train N seeds in parallel, in processes that share the device; default: 1.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Run directory, new or empty; default: runs/NAME/ID.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Resume a stopped run.")
@data_option
@click.option("--dry-run", is_flag=True, help="Check the recipe and print what would be trained; write nothing.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@table_options
@plugin_options
def command(
    recipe: str | None,
    overrides: tuple[str, ...],
    variants: tuple[str, ...],
    seeds: tuple[int, ...],
    device: str | None,
    workers: int,
    out: Path | None,
    resume: Path | None,
    data: dict[str, str],
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    plugins: PluginFlags,
) -> None:
    """Train every variant and seed of RECIPE, a path or the name of a bundled recipe, and compare them.

    Writes a run directory: the resolved recipe, metrics.csv, checkpoints, predictions, result.json, losses.png.
    Ctrl-C saves a checkpoint and prints the command that resumes the run.
    """
    from seqtool.launch.process_start import start_fork_server

    if workers > 1 and not dry_run:
        start_fork_server()
    from seqtool.experiment import run
    from seqtool.launch.plan import plan
    from seqtool.training.lightning_internals import is_rank_zero

    arguments: dict[str, Any] = {
        "out": out,
        "resume": resume,
        "data": data,
        "overrides": overrides,
        "variants": variants,
        "seeds": seeds,
        "device": device,
        "registry": plugins.registry(),
        "workers": workers,
    }
    if dry_run:
        _show_plan(plan(recipe, **arguments).summary(), as_json)
        return
    result = run(recipe, **arguments, show_bar=not quiet)
    if not is_rank_zero():
        return
    if as_json:
        emit_json(result)
        return
    columns = _columns(result["variants"])
    rows = [_row(name, variant, columns) for name, variant in result["variants"].items()]
    emit_table(("variant", "seeds", "parameters", *columns), rows)
    emit_note(f"\n{result['run']}")


def _columns(variants: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Heading -> `(key, number of decimals)` of the final table: the loss, the metrics of all variants, the speed.

    Attention metrics are omitted because the table would be too wide; `seqtool evaluate` and the report have them.
    """
    seeds = [seed for variant in variants.values() for seed in variant["seeds"].values()]
    measured = dict.fromkeys(name for seed in seeds for name in seed["best"] if name not in ("step", "valid_loss"))
    metrics = [name.removeprefix("valid_") for name in measured if not name.startswith(ATTENTION_METRICS)]
    return {
        "train loss": ("train_loss", 4),
        **{name.replace("_", " "): (name, 4) for name in metrics},
        "steps/s": ("steps_per_second", 1),
    }


def _row(name: str, variant: dict[str, Any], columns: dict[str, tuple[str, int]]) -> list[str]:
    """A row of the final table: means over seeds."""
    seeds = list(variant["seeds"].values())
    cells = [
        number_text(mean(seed[key] for seed in seeds), decimals) if all(key in seed for seed in seeds) else "-"
        for key, decimals in columns.values()
    ]
    return [name, str(len(seeds)), f"{variant['parameters']:,}", *cells]


def _show_plan(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json(summary)
        return
    rows = [
        (name, ", ".join(map(str, summary["seeds"])), f"{item['parameters']:,}", str(item["steps"]), item["device"])
        for name, item in summary["variants"].items()
    ]
    emit_table(("variant", "seeds", "parameters", "steps", "device"), rows)
    if summary["workers"] > 1:
        emit_note(f"\n{summary['workers']} seeds in parallel, each in its own process")
    emit_note("\nnothing was trained or written: --dry-run")
