"""`seqtool evaluate`: a trained model on a split, with intervals."""

from typing import TYPE_CHECKING, Any

import click

from seqtool.cli.options import json_option, verb
from seqtool.cli.output import emit_json, emit_table
from seqtool.cli.trained import Trained, measuring_options, trained_options

if TYPE_CHECKING:
    from seqtool.inference.evaluation import Group

EXAMPLE = """\
seqtool evaluate runs/align_60_20/20261121-101500-ab12 --variant attentive
seqtool evaluate my_run --split test --search '{type: beam, size: 5}' --json"""


@verb("evaluate", example=EXAMPLE)
@trained_options
@measuring_options
@click.option(
    "--batches",
    type=click.IntRange(min=1),
    help="At most so many; default: the whole split, or the recipe's number where examples are drawn without end.",
)
@json_option
def command(
    trained: Trained,
    split: Any,
    batches: int | None,
    batch_size: int | None,
    max_length: int | None,
    bootstrap_seed: int,
    as_json: bool,
) -> None:
    """Measure what a model of RUN writes by itself: exact match, token accuracy, edit distance, token error rate.

    And, with attention, where it looks while the gold symbols before are given. Each overall and by the length of the
    target; with the 95 % interval of a bootstrap over examples, of both tables in --json.
    """
    predictor, search = trained.load()
    found = predictor.evaluate(
        split,
        search=search,
        batches=batches,
        batch_size=batch_size,
        max_length=max_length,
        bootstrap_seed=bootstrap_seed,
    )
    about = trained.about(predictor, search)
    if as_json:
        emit_json(about | found.plain())
        return
    groups = [("all", found.overall), *((_lengths(group), group) for group in found.by_length)]
    names = [name.replace("_", " ") for name in found.overall.measures]
    emit_table(("length", "examples", *names), [_row(label, group) for label, group in groups])
    looks = list(found.overall.attention)
    if looks:
        click.echo()
        heads = [name.removeprefix("alignment_").removeprefix("attention_").replace("_", " ") for name in looks]
        emit_table(("length", *heads), [_looks(label, group, looks) for label, group in groups])
    click.echo(
        f"\n{about['variant']}, seed {about['seed']}, {about['checkpoint']} checkpoint, step {about['step']}; "
        f"split {split}; {about['search'].get('type', '')}; in brackets the 95 % interval over examples"
    )


def _lengths(group: "Group") -> str:
    ends = group.shortest, group.longest
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"


def _row(label: str, group: "Group") -> list[str]:
    cells = [f"{one.value:.4f} [{one.low:.4f}, {one.high:.4f}]" for one in group.measures.values()]
    return [label, str(group.examples), *cells]


def _looks(label: str, group: "Group", names: list[str]) -> list[str]:
    return [label, *(f"{group.attention[name].value:.4f}" if name in group.attention else "-" for name in names)]
