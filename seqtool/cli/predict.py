"""`seqtool predict`: sources in, predictions out, batch by batch."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import click

from seqtool.cli.trained_options import BadLines, Trained, bad_lines_option, trained_options
from seqtool.cli.verb_options import verb
from seqtool.errors import MisuseError, SeqtoolError

if TYPE_CHECKING:
    from seqtool.inference.prediction import Prediction
    from seqtool.inference.predictor import Predictor
    from seqtool.parts.search import Search

EXAMPLE = """\
seqtool predict my_run words.txt > predictions.tsv
echo 'a b c' | seqtool predict my_run --format jsonl --search '{type: beam, size: 5}' --n-best 3
seqtool predict my_run --interactive"""


@verb("predict", example=EXAMPLE)
@trained_options
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--n-best", type=click.IntRange(min=1), metavar="N", help="N predictions for each source, best first.")
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Sources at once.")
@click.option("--max-length", type=click.IntRange(min=1), help="Most symbols to write; default: the task's.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tsv", "jsonl"]),
    help="Default: jsonl for an --out that ends so, else tsv.",
)
@click.option("--json", "form", flag_value="jsonl", help="The same as --format jsonl.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of standard output.")
@click.option(
    "--weights", type=click.Path(path_type=Path, dir_okay=False), help="An .npz file for the weights of the attention."
)
@bad_lines_option
@click.option("--interactive", is_flag=True, help="Ask for sources, and draw where the model looked.")
def command(
    trained: Trained,
    files: tuple[str, ...],
    n_best: int | None,
    batch_size: int,
    max_length: int | None,
    form: Literal["tsv", "jsonl"] | None,
    out: Path | None,
    weights: Path | None,
    bad_lines: Literal["fail", "skip"],
    interactive: bool,
) -> None:
    """Predict with a model of RUN, one source a line of each FILE or of standard input, in order.

    Lines are numbered from 1 over all files. With --out and --weights a file appears whole, or not at all.
    """
    if interactive and (files or form or out or weights):
        raise MisuseError("--interactive asks for sources and prints: no FILE, --format, --out or --weights with it")
    if out and weights and out.resolve() == weights.resolve():
        raise MisuseError(f"--out and --weights are both {out}: one would replace the other")
    for path in (out, weights):
        if path and path.exists() and not path.is_file():  # a device or a pipe would be replaced by a file
            raise MisuseError(f"{path} is no ordinary file", allowed=["a new or ordinary file", "standard output"])
    predictor, wish = trained.load()
    search = predictor.search(wish, n_best)
    if interactive:
        _converse(predictor, search, max_length)
        return
    if weights and not predictor.model.decoder.num_heads:
        raise SeqtoolError(f"variant {predictor.name!r} has no attention, so there are no weights to write")

    from seqtool.inference.source_lines import Lines
    from seqtool.inference.text_lines import read_lines
    from seqtool.inference.writers import jsonl, tsv, tsv_heading, weights_file

    form = form or ("jsonl" if out and out.suffix == ".jsonl" else "tsv")
    write: Callable[[int, Prediction], str] = jsonl if form == "jsonl" else tsv
    bad = BadLines(bad_lines)
    lines = Lines(predictor, search, batch_size, max_length, bad)
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
        put(heading)  # where nothing was predicted
    bad.report()


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


@contextmanager
def _sink(out: Path | None) -> Iterator[Callable[[str], None]]:
    """Where text goes as UTF-8: to standard output at once, or to a file that appears whole."""
    from seqtool.runs.files import written_whole

    if out is None:
        yield lambda text: click.echo(text.encode(), nl=False)
        return
    with written_whole(out) as file:
        yield _putter(file)


def _putter(file: IO[bytes]) -> Callable[[str], None]:
    def put(text: str) -> None:
        file.write(text.encode())

    return put


def _converse(predictor: "Predictor", search: "Search", max_length: int | None) -> None:
    """Predict each line that is typed, until the end of input; a prompt only for people."""
    asks = sys.stdin.isatty()
    if asks:
        click.echo("one source a line; Ctrl-D ends", err=True)
    while True:
        if asks:
            click.echo("> ", nl=False, err=True)
        text = sys.stdin.readline()
        if not text:
            return
        try:
            (found,) = predictor.predict([text.rstrip("\r\n")], search=search, max_length=max_length)
        except SeqtoolError as error:
            click.echo(f"error: {error}", err=True)
            continue
        for hypothesis in found.hypotheses:
            click.echo(hypothesis.text if hypothesis.score is None else f"{hypothesis.text}\t{hypothesis.score:.4f}")
        if found.weights is not None:
            click.echo(f"\n{_grid(found)}\n")


def _grid(found: "Prediction") -> str:
    """The best hypothesis's weights, the mean over heads; a memory that was shortened has numbers for symbols."""
    from seqtool.inference.weights_grid import PLAIN_SHADES, SHADES, grid

    columns: tuple[str, ...] = found.source_symbols
    if found.weights.shape[2] != len(columns):
        columns = tuple(str(place + 1) for place in range(found.weights.shape[2]))
    try:
        SHADES.encode(sys.stdout.encoding or "ascii")
        shades = SHADES
    except UnicodeEncodeError:
        shades = PLAIN_SHADES
    width = shutil.get_terminal_size().columns
    return grid(found.symbols, columns, found.weights.mean(0), width=width, shades=shades)
