"""`seqtool evaluate`: measures a trained model on a split or on a file of pairs, with intervals."""

from statistics import mean
from typing import TYPE_CHECKING, Any, Literal

import click

from seqtool.cli.model_options import BadLines, ModelFlags, bad_lines_option, measurement_options, model_options, warn
from seqtool.cli.output import emit_json, emit_note, emit_table
from seqtool.cli.verb_options import table_options, verb
from seqtool.errors import MisuseError
from seqtool.statistics.number_text import number_text

if TYPE_CHECKING:
    from seqtool.inference.estimates import Estimate
    from seqtool.inference.evaluation import Evaluation, Group
    from seqtool.inference.pairs import Pair
    from seqtool.inference.predictor import Predictor
    from seqtool.inference.text_lines import Line

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
@table_options
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

    Without --variant and --seed, all trained variants and seeds of RUN are measured, in one table with their means.
    """
    split_given = context.get_parameter_source("split") is click.core.ParameterSource.COMMANDLINE
    if file is not None and (split_given or batches):
        raise MisuseError("--split and --batches cannot be used with a FILE, which is measured completely")
    options: dict[str, Any] = {"batch_size": batch_size, "max_length": max_length, "bleu": bleu}
    options["bootstrap_seed"] = bootstrap_seed
    lines = _read(file)
    found = []
    for one in model.each():
        predictor, search = one.load()
        about = one.about(predictor, search)
        if file is None:
            found.append((about, predictor.evaluate(split, batches=batches, search=search, **options)))
            continue
        bad = BadLines(bad_lines)
        pairs = _pairs(predictor, lines, bad)
        found.append((about, predictor.evaluate_pairs(pairs, search=search, **options)))
        bad.report()
        about |= {"file": file, "skipped_lines": bad.count}
    if as_json:
        plain = [about | evaluation.plain() for about, evaluation in found]
        emit_json(plain[0] if len(plain) == 1 else {"models": plain})
        return
    where = f"split {split}" if file is None else file
    if len(found) == 1:
        _show_model(*found[0], where)
    else:
        _show_models(found, where)


def _show_model(about: dict[str, Any], evaluation: "Evaluation", where: str) -> None:
    """The measures of one model, overall and by length."""
    groups = [("all", evaluation.overall), *((_lengths(group), group) for group in evaluation.by_length)]
    emit_table(("length", "examples", *_headings(evaluation.overall)), [_row(label, group) for label, group in groups])
    metrics = list(evaluation.overall.attention)
    if metrics:
        click.echo()
        rows = [_attention_row(label, group, metrics) for label, group in groups]
        emit_table(("length", *_attention_headings(metrics)), rows)
    emit_note(
        f"\n{about['variant']}, seed {about['seed']}, {about['checkpoint']} checkpoint, step {about['step']}; "
        f"{where}; {about['search'].get('type', '')}; brackets: 95 % interval over examples"
    )


def _show_models(found: "list[tuple[dict[str, Any], Evaluation]]", where: str) -> None:
    """The overall measures of all variants and seeds. Measures that only some variants have are `-` for the others."""
    for kind, headings in (("measures", _measure_headings), ("attention", _attention_headings)):
        groups = [getattr(evaluation.overall, kind) for _, evaluation in found]
        names = list(dict.fromkeys(name for group in groups for name in group))
        if not names:
            continue
        rows = []
        for (about, _), group in zip(found, groups, strict=True):
            rows.append([about["variant"], str(about["seed"]), *(_cell(name, group.get(name)) for name in names)])
        emit_table(("variant", "seed", *headings(names)), [*rows, *_means(found, kind, names)])
        click.echo()
    about = found[0][0]
    emit_note(
        f"{about['checkpoint']} checkpoints; {where}, {found[0][1].overall.examples} examples; "
        f"{about['search'].get('type', '')}; brackets: 95 % interval over examples"
    )


def _means(found: "list[tuple[dict[str, Any], Evaluation]]", kind: str, names: list[str]) -> list[list[str]]:
    """A row for each variant with several seeds: the mean of each measure over seeds."""
    rows = []
    for variant in dict.fromkeys(about["variant"] for about, _ in found):
        groups = [getattr(evaluation.overall, kind) for about, evaluation in found if about["variant"] == variant]
        if len(groups) > 1:
            means = (_mean(name, [group[name] for group in groups if name in group]) for name in names)
            rows.append([variant, "mean", *means])
    return rows


def _mean(name: str, found: "list[Estimate]") -> str:
    return number_text(mean(one.value for one in found), _decimals(name)) if found else "-"


def _pairs(predictor: "Predictor", lines: "list[Line]", bad: BadLines) -> "list[Pair]":
    from seqtool.inference.pairs import read_pairs
    from seqtool.inference.unknown_symbols import UnknownSymbols

    report_unknown = UnknownSymbols(predictor.task, "warn", warn)

    def encode_source(text: str) -> tuple[Any, ...]:
        ids = predictor.encode_source(text)
        report_unknown(repr(text), text, ids)
        return ids

    return read_pairs(lines, encode_source, predictor.encode_target, bad)


def _read(file: str | None) -> "list[Line]":
    """The lines of a file, which each model encodes with its own vocabulary."""
    from seqtool.inference.text_lines import read_lines

    if file is None:
        return []
    with click.open_file(file, "rb") as lines:
        return list(read_lines([("standard input" if file == "-" else file, lines)]))


def _headings(group: "Group") -> list[str]:
    return _measure_headings(list(group.measures))


def _measure_headings(names: list[str]) -> list[str]:
    return ["BLEU" if name == "bleu" else name.replace("_", " ") for name in names]


def _attention_headings(names: list[str]) -> list[str]:
    return [name.removeprefix("alignment_").removeprefix("attention_").replace("_", " ") for name in names]


def _decimals(name: str) -> int:
    return 2 if name == "bleu" else 4


def _cell(name: str, one: "Estimate | None") -> str:
    if one is None:
        return "-"
    value, low, high = (number_text(number, _decimals(name)) for number in (one.value, one.low, one.high))
    return f"{value} [{low}, {high}]"


def _lengths(group: "Group") -> str:
    ends = group.shortest, group.longest
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"


def _row(label: str, group: "Group") -> list[str]:
    return [label, str(group.examples), *(_cell(name, one) for name, one in group.measures.items())]


def _attention_row(label: str, group: "Group", names: list[str]) -> list[str]:
    return [label, *(number_text(group.attention[name].value) if name in group.attention else "-" for name in names)]
