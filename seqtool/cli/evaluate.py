"""`seqtool evaluate`: a trained model on a split or on a file of pairs, with intervals."""

from typing import TYPE_CHECKING, Any, Literal

import click

from seqtool.cli.output import emit_json, emit_table
from seqtool.cli.trained_options import BadLines, Trained, bad_lines_option, measuring_options, trained_options
from seqtool.cli.verb_options import json_option, verb
from seqtool.errors import MisuseError

if TYPE_CHECKING:
    from seqtool.inference.evaluation import Group
    from seqtool.inference.pairs import Pair
    from seqtool.inference.predictor import Predictor

EXAMPLE = """\
seqtool evaluate runs/align_60_20/20261121-101500-ab12 --variant attentive
seqtool evaluate my_run --split test --search '{type: beam, size: 5}' --json
seqtool evaluate my_run pairs.tsv --bleu 13a"""


@verb("evaluate", example=EXAMPLE)
@trained_options
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@measuring_options
@click.option(
    "--batches",
    type=click.IntRange(min=1),
    help="At most so many; default: the whole split, or the recipe's number where examples are drawn without end.",
)
@click.option(
    "--bleu",
    type=click.Choice(["tokens", "13a", "intl", "char", "zh", "none"]),
    help="Also BLEU, of the task's own tokens or of words as a tokenizer of sacrebleu finds them.",
)
@bad_lines_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    trained: Trained,
    file: str | None,
    split: Any,
    batches: int | None,
    batch_size: int | None,
    max_length: int | None,
    bleu: str | None,
    bad_lines: Literal["fail", "skip"],
    bootstrap_seed: int,
    as_json: bool,
) -> None:
    """Measure what a model of RUN writes by itself: exact match, token accuracy, edit distance, error rates, BLEU.

    On a split, or on the pairs of FILE, each line a source as `predict` reads it, a tab and its target; lines with the
    same source are one example with several right targets. Of values: mean squared and mean absolute error, and the
    recipe's own metrics. And, on a split and with attention, where it looks while the gold symbols before are given.
    Each overall and by the length of the target, with the 95 % interval of a bootstrap over examples.
    """
    asked = context.get_parameter_source("split") is click.core.ParameterSource.COMMANDLINE
    if file is not None and (asked or batches):
        raise MisuseError("a FILE is measured whole: no --split and no --batches with it")
    predictor, search = trained.load()
    options: dict[str, Any] = {"search": search, "batch_size": batch_size, "max_length": max_length, "bleu": bleu}
    options["bootstrap_seed"] = bootstrap_seed
    if file is None:
        found = predictor.evaluate(split, batches=batches, **options)
    else:
        bad = BadLines(bad_lines)
        found = predictor.evaluate_pairs(_pairs(predictor, file, bad), **options)
        bad.report()
    about = trained.about(predictor, search)
    if file is not None:
        about |= {"file": file, "left_out": bad.count}
    if as_json:
        emit_json(about | found.plain())
        return
    groups = [("all", found.overall), *((_lengths(group), group) for group in found.by_length)]
    names = ["BLEU" if name == "bleu" else name.replace("_", " ") for name in found.overall.measures]
    emit_table(("length", "examples", *names), [_row(label, group) for label, group in groups])
    looks = list(found.overall.attention)
    if looks:
        click.echo()
        heads = [name.removeprefix("alignment_").removeprefix("attention_").replace("_", " ") for name in looks]
        emit_table(("length", *heads), [_looks(label, group, looks) for label, group in groups])
    where = f"split {found.split}" if found.split else str(file)
    click.echo(
        f"\n{about['variant']}, seed {about['seed']}, {about['checkpoint']} checkpoint, step {about['step']}; "
        f"{where}; {about['search'].get('type', '')}; in brackets the 95 % interval over examples"
    )


def _pairs(predictor: "Predictor", file: str, bad: BadLines) -> "list[Pair]":
    from seqtool.inference.pairs import read_pairs
    from seqtool.inference.text_lines import read_lines

    with click.open_file(file, "rb") as lines:
        name = "standard input" if file == "-" else file
        return read_pairs(read_lines([(name, lines)]), predictor.read, predictor.read_target, bad)


def _lengths(group: "Group") -> str:
    ends = group.shortest, group.longest
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"


def _row(label: str, group: "Group") -> list[str]:
    forms = (".2f" if name == "bleu" else ".4f" for name in group.measures)
    cells = [
        f"{one.value:{form}} [{one.low:{form}}, {one.high:{form}}]"
        for form, one in zip(forms, group.measures.values(), strict=True)
    ]
    return [label, str(group.examples), *cells]


def _looks(label: str, group: "Group", names: list[str]) -> list[str]:
    return [label, *(f"{group.attention[name].value:.4f}" if name in group.attention else "-" for name in names)]
