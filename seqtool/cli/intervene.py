"""`seqtool intervene`: how much the output of a model depends on its attention."""

from typing import TYPE_CHECKING, Any

import click

from seqtool.cli.model_options import ModelFlags, measurement_options, model_options
from seqtool.cli.output import emit_json, emit_note, emit_table, finite
from seqtool.cli.verb_options import table_options, verb
from seqtool.statistics.number_text import number_text

if TYPE_CHECKING:
    from seqtool.inference.intervene import Effect

EXAMPLE = """\
seqtool intervene runs/align_60_20_additive/20261121-101500-ab12
seqtool intervene my_run --only gold --only delayed --delay 2 --search '{type: beam, size: 5}' --json"""
HEADINGS = {
    "teacher_forced": "teacher forcing",
    "free_running": "free-running, {search}",
}


@verb("intervene", example=EXAMPLE)
@model_options
@click.option("--only", multiple=True, metavar="NAME", help="Only this intervention (repeatable); default: all.")
@click.option(
    "--delay",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="STEPS",
    help="Delay of the intervention `delayed`.",
)
@click.option(
    "--shuffle-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed of `shuffled`."
)
@click.option("--examples", type=click.IntRange(min=1), help="Maximum number; default: as many as for `evaluate`.")
@measurement_options
@click.option("--save", is_flag=True, help="Also write interventions.json to the folder of the seed.")
@table_options
def command(
    model: ModelFlags,
    only: tuple[str, ...],
    delay: int,
    shuffle_seed: int,
    examples: int | None,
    split: Any,
    batch_size: int | None,
    max_length: int | None,
    bootstrap_seed: int,
    save: bool,
    as_json: bool,
) -> None:
    """Measure a model of RUN with replaced attention weights, and the change from the model's own weights.

    Interventions: gold, all weight on the gold position; uniform, equal weights; shuffled, the model's weights in
    another order; previous and delayed, the model's weights of earlier steps; top_1, all weight on the position of the
    largest weight; head_off, zero weights in one head, for each head.
    """
    predictor, search = model.load()
    found = predictor.intervene(
        split,
        only=only,
        delay=delay,
        shuffle_seed=shuffle_seed,
        search=search,
        examples=examples,
        batch_size=batch_size,
        max_length=max_length,
        bootstrap_seed=bootstrap_seed,
    )
    about = model.about(predictor, search)
    content = about | found.plain()
    if save:
        from seqtool.runs import RunDirectory

        place = RunDirectory.open(model.run).seed(predictor.name, predictor.seed)
        place.write_interventions(finite(content))
    if as_json:
        emit_json(content)
        return
    for mode, heading in HEADINGS.items():
        emit_note(heading.format(search=about["search"].get("type", "")))
        rows = [[name, *_cells(modes[mode], name != "own")] for name, modes in found.measured.items()]
        names = [name.replace("_", " ") for name in found.measured["own"][mode]]
        emit_table(("weights", *(cell for name in names for cell in (name, "change"))), rows)
        click.echo()
    for name, why in found.left_out.items():
        emit_note(f"{name} skipped: {why}")
    emit_note(
        f"{about['variant']}, seed {about['seed']}, {about['checkpoint']} checkpoint, step {about['step']}; "
        f"{found.examples} examples of {split}; brackets: paired 95 % interval of the change"
    )


def _cells(measures: "dict[str, Effect]", compared: bool) -> list[str]:
    found = []
    for effect in measures.values():
        change = effect.change
        value, low, high = (number_text(one, sign=True) for one in (change.value, change.low, change.high))
        found += [number_text(effect.value.value), f"{value} [{low}, {high}]" if compared else ""]
    return found
