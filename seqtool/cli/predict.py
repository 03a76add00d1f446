"""`seqtool predict`: predictions of a trained model, line by line."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import click

from seqtool.cli.model_options import BadLines, ModelFlags, bad_lines_option, model_options, unknown_option, warn
from seqtool.cli.output import can_print
from seqtool.cli.verb_options import verb
from seqtool.errors import MisuseError, SeqtoolError

if TYPE_CHECKING:
    from seqtool.inference.prediction import Prediction
    from seqtool.inference.predictor import Predictor
    from seqtool.inference.unknown_symbols import UnknownSymbols
    from seqtool.parts.search import Search

EXAMPLE = """\
seqtool predict my_run words.txt > predictions.tsv
echo 'a b c' | seqtool predict my_run --format jsonl --search '{type: beam, size: 5}' --n-best 3
seqtool predict my_run --interactive"""


@verb("predict", example=EXAMPLE)
@model_options
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--n-best", type=click.IntRange(min=1), metavar="N", help="Print N predictions per source, best first.")
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Sources per batch.")
@click.option("--max-length", type=click.IntRange(min=1), help="Maximum length of the output; default: the task's.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tsv", "jsonl"]),
    help="Output format; default: jsonl if --out ends in .jsonl, else tsv.",
)
@click.option("--json", "form", flag_value="jsonl", help="Short for --format jsonl.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Output file; default: standard output.")
@click.option(
    "--weights", type=click.Path(path_type=Path, dir_okay=False), help="Also write the attention weights, as .npz."
)
@bad_lines_option
@unknown_option
@click.option(
    "--interactive", is_flag=True, help="Prompt for sources, and draw the attention weights of each prediction."
)
def command(
    model: ModelFlags,
    files: tuple[str, ...],
    n_best: int | None,
    batch_size: int,
    max_length: int | None,
    form: Literal["tsv", "jsonl"] | None,
    out: Path | None,
    weights: Path | None,
    bad_lines: Literal["fail", "skip"],
    unknown: Literal["warn", "error"],
    interactive: bool,
) -> None:
    """Predict with a model of RUN. Each line of each FILE, or of standard input, is one source.

    Lines are numbered from 1 over all files. --out and --weights replace their files only when they are complete.
    """
    if interactive and (files or form or out or weights):
        raise MisuseError("--interactive cannot be used with FILE, --format, --out or --weights")
    if out and weights and out.resolve() == weights.resolve():
        raise MisuseError(f"--out and --weights name the same file: {out}")
    for path in (out, weights):
        if path and path.exists() and not path.is_file():  # a device or a pipe would be replaced by a file
            raise MisuseError(f"{path} is not a regular file", allowed=["a new or regular file", "standard output"])
    from seqtool.inference.unknown_symbols import UnknownSymbols

    predictor, requested = model.load()
    search = predictor.build_search(requested, n_best)
    unknown_symbols = UnknownSymbols(predictor.task, unknown, warn)
    if interactive:
        _converse(predictor, search, max_length, unknown_symbols)
        return
    if weights and not predictor.model.decoder.num_heads:
        raise SeqtoolError(f"variant {predictor.name!r} has no attention, so --weights has nothing to write")

    from seqtool.inference.line_predictor import LinePredictor
    from seqtool.inference.text_lines import read_lines
    from seqtool.inference.writers import jsonl, tsv, tsv_heading, weights_file

    form = form or ("jsonl" if out and out.suffix == ".jsonl" else "tsv")
    write: Callable[[int, Prediction], str] = jsonl if form == "jsonl" else tsv
    bad = BadLines(bad_lines)
    lines = LinePredictor(predictor, search, batch_size, max_length, bad, unknown_symbols)
    with ExitStack() as stack:
        sources = [(_name(file), stack.enter_context(click.open_file(file, "rb"))) for file in files or ("-",)]
        keep = stack.enter_context(weights_file(weights)) if weights else None
        put = stack.enter_context(_sink(out))
        heading = tsv_heading() if form == "tsv" else ""
        for batch in lines.predict(read_lines(sources)):
            put(heading + "".join(write(number, prediction) for number, prediction in batch))
            heading = ""
            if keep:
                for number, prediction in batch:
                    keep(number, prediction)
        put(heading)  # if there was no source
    bad.report()


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


@contextmanager
def _sink(out: Path | None) -> Iterator[Callable[[str], None]]:
    """A writer of UTF-8 text: to standard output, or to a file that is renamed into place when complete."""
    from seqtool.runs.files import atomic_file

    if out is None:
        raw = not sys.stdout.isatty()  # a terminal gets escapes instead of control characters
        yield lambda text: click.echo(text.encode() if raw else text, nl=False)
        return
    with atomic_file(out) as file:
        yield lambda text: _write(file, text)


def _write(file: IO[bytes], text: str) -> None:
    file.write(text.encode())


def _converse(
    predictor: "Predictor", search: "Search", max_length: int | None, unknown_symbols: "UnknownSymbols"
) -> None:
    """Predict each line of standard input; prompt if it is a terminal."""
    prompts = sys.stdin.isatty()
    if prompts:
        click.echo("one source per line; Ctrl-D to exit", err=True)
    while True:
        if prompts:
            click.echo("> ", nl=False, err=True)
        text = sys.stdin.readline()
        if not text:
            return
        try:
            source = text.rstrip("\r\n")
            ids = predictor.encode_source(source)
            unknown_symbols(repr(source), source, ids)
            (found,) = predictor.predict_batch([source], [ids], search, max_length)
        except SeqtoolError as error:
            click.echo(f"error: {error}", err=True)
            continue
        for hypothesis in found.hypotheses:
            click.echo(hypothesis.text if hypothesis.score is None else f"{hypothesis.text}\t{hypothesis.score:.4f}")
        if found.weights is not None:
            click.echo(f"\n{_grid(found)}\n")


def _grid(found: "Prediction") -> str:
    """The weights of the best hypothesis, averaged over heads. A shortened memory is labelled by positions."""
    from seqtool.inference.weights_grid import ASCII_SHADES, SHADES, render_grid

    columns: tuple[str, ...] = found.source_symbols
    if found.weights.shape[2] != len(columns):
        columns = tuple(str(place + 1) for place in range(found.weights.shape[2]))
    shades = SHADES if can_print(SHADES) else ASCII_SHADES
    width = shutil.get_terminal_size().columns
    return render_grid(found.symbols, columns, found.weights.mean(0), width=width, shades=shades)
