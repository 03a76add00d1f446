"""`seqtool evaluate`: measures a trained model on a split or on a file of pairs, with intervals."""

from typing import TYPE_CHECKING, Any, Literal

import click

from seqtool.cli.model_options import BadLines, ModelFlags, bad_lines_option, measurement_options, model_options, warn
from seqtool.cli.output import emit_json, emit_table
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
@model_options
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@measurement_options
@click.option(
    "--batches",
    type=click.IntRange(min=1),
    help="Maximum number; default: the whole split, or the recipe's number if the task generates examples.",
)
@click.option(
    "--bleu",
    type=click.Choice(["tokens", "13a", "intl", "char", "zh", "none"]),
    help="Also BLEU, over the tokens of the task or over the words of a sacrebleu tokenizer.",
)
@bad_lines_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    model: ModelFlags,
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
    """Measure the predictions of a model of RUN: exact match, token accuracy, edit distance, error rates, BLEU.

    Predictions are free-running. The examples are those of a split, or the pairs of FILE. Each line of FILE has a
    source as for `predict`, a tab, and a target; lines with the same source are one example with several correct
    targets. Predictions of continuous targets are measured by mean squared error, mean absolute error and the metrics
    of the recipe. On a split, attention is measured too, under teacher forcing. All measures are reported overall and
    by target length, with 95 % bootstrap intervals over examples.
    """
    split_given = context.get_parameter_source("split") is click.core.ParameterSource.COMMANDLINE
    if file is not None and (split_given or batches):
        raise MisuseError("--split and --batches cannot be used with a FILE, which is measured completely")
    predictor, search = model.load()
    options: dict[str, Any] = {"search": search, "batch_size": batch_size, "max_length": max_length, "bleu": bleu}
    options["bootstrap_seed"] = bootstrap_seed
    if file is None:
        found = predictor.evaluate(split, batches=batches, **options)
    else:
        bad = BadLines(bad_lines)
        found = predictor.evaluate_pairs(_pairs(predictor, file, bad), **options)
        bad.report()
    about = model.about(predictor, search)
    if file is not None:
        about |= {"file": file, "skipped_lines": bad.count}
    if as_json:
        emit_json(about | found.plain())
        return
    groups = [("all", found.overall), *((_lengths(group), group) for group in found.by_length)]
    names = ["BLEU" if name == "bleu" else name.replace("_", " ") for name in found.overall.measures]
    emit_table(("length", "examples", *names), [_row(label, group) for label, group in groups])
    metrics = list(found.overall.attention)
    if metrics:
        click.echo()
        headings = [name.removeprefix("alignment_").removeprefix("attention_").replace("_", " ") for name in metrics]
        emit_table(("length", *headings), [_attention_row(label, group, metrics) for label, group in groups])
    where = f"split {found.split}" if found.split else str(file)
    click.echo(
        f"\n{about['variant']}, seed {about['seed']}, {about['checkpoint']} checkpoint, step {about['step']}; "
        f"{where}; {about['search'].get('type', '')}; brackets: 95 % interval over examples"
    )


def _pairs(predictor: "Predictor", file: str, bad: BadLines) -> "list[Pair]":
    from seqtool.inference.pairs import read_pairs
    from seqtool.inference.text_lines import read_lines
    from seqtool.inference.unknown_symbols import UnknownSymbols

    report_unknown = UnknownSymbols(predictor.task, "warn", warn)

    def encode_source(text: str) -> tuple[Any, ...]:
        ids = predictor.encode_source(text)
        report_unknown(repr(text), text, ids)
        return ids

    with click.open_file(file, "rb") as lines:
        name = "standard input" if file == "-" else file
        return read_pairs(read_lines([(name, lines)]), encode_source, predictor.encode_target, bad)


def _lengths(group: "Group") -> str:
    ends = group.shortest, group.longest
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"


def _row(label: str, group: "Group") -> list[str]:
    formats = (".2f" if name == "bleu" else ".4f" for name in group.measures)
    cells = [
        f"{one.value:{digits}} [{one.low:{digits}}, {one.high:{digits}}]"
        for digits, one in zip(formats, group.measures.values(), strict=True)
    ]
    return [label, str(group.examples), *cells]


def _attention_row(label: str, group: "Group", names: list[str]) -> list[str]:
    return [label, *(f"{group.attention[name].value:.4f}" if name in group.attention else "-" for name in names)]
