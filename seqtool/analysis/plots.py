"""`seqtool plot`: figures of a run for print, drawn from its files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqtool.analysis.alignments import LABEL_INCHES, MAX_LABELS, alignment_of, draw_alignment, has_weights
from seqtool.analysis.figures import Format, colour, draw_curves, render_figure, shortened, styled
from seqtool.analysis.report.cost import costs
from seqtool.analysis.report.results import title
from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.runs.contents import Example, Run, Seed
from seqtool.runs.files import translate_write_errors, write_atomic
from seqtool.runs.read import read_run
from seqtool.statistics.length_groups import LengthGroups

MAX_HEADS = 8
"""Maximum number of heads that are drawn."""


@dataclass(frozen=True)
class PlotOptions:
    """Options of the figures. `every`: steps averaged in one point of a loss curve; `width`: in inches."""

    every: int = 20
    examples: Sequence[int] = (0, 1, 2)
    seed: int | None = None
    width: float = 6.5


NamedFigures = Iterator[tuple[str, Figure | str]]
"""Name -> figure, or the reason why it cannot be drawn."""


@dataclass(frozen=True)
class PlotResult:
    """The figure files, the files of the run that cannot be read, and what is missing."""

    paths: list[Path]
    problems: list[str]
    notes: list[str]


def plot(
    run: Path,
    out: Path | None = None,
    *,
    names: Sequence[str] = (),
    formats: Sequence[Format] = ("png",),
    variants: Sequence[str] = (),
    options: PlotOptions | None = None,
) -> PlotResult:
    """Draw the figures of a run; it may be in training or damaged.

    Args:
        out: output folder; default: `figures` in the run directory.
        names: keys of `FIGURES`; default: all.
        variants: default: all.

    Raises:
        MisuseError: no such variant or figure. SeqtoolError: the folder is not a run, or `out` cannot be written.
    """
    if not run.is_dir():
        raise SeqtoolError(f"{run} is not a run: there is no such folder")
    found = read_run(run)
    if not found.seeds:
        raise SeqtoolError(f"{run} is not a run: it has no seeds in <variant>/seed<k>")
    for wanted, known in [*((v, list(found.variants)) for v in variants), *((n, list(FIGURES)) for n in names)]:
        if wanted not in known:
            raise MisuseError(
                f"no such variant or figure: {wanted!r}", allowed=known, nearest=nearest_name(wanted, known)
            )
    found.variants = {name: seeds for name, seeds in found.variants.items() if not variants or name in variants}
    folder, paths, notes = out or run / "figures", [], list(found.notes)
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in names or FIGURES:
        with styled():
            drawn = list(FIGURES[name](found, options or PlotOptions()))
        for file, figure in drawn:
            if isinstance(figure, str):
                notes.append(f"{file}: {figure}")
                continue
            for format_ in formats:
                write_atomic(folder / f"{file}.{format_}", render_figure(figure, format_, dpi=300))
                paths.append(folder / f"{file}.{format_}")
    return PlotResult(paths, found.problems, notes)


def losses(run: Run, options: PlotOptions) -> NamedFigures:
    """Training loss of all variants."""
    curves = {_named(run, name): _columns(seeds, "train_loss") for name, seeds in run.variants.items()}
    if not any(curves.values()):
        yield "losses", "no seed has a training loss yet"
        return
    figure, (axes,) = _panels(1, options.width, 0.6)
    draw_curves(axes, curves, options.every)
    symbols = any("train_token_accuracy" in seed.rows for seed in run.seeds)  # continuous targets have no accuracy
    axes.set_ylabel("training loss (nats per symbol)" if symbols else "training loss")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.legend()
    yield "losses", figure


def entropy(run: Run, options: PlotOptions) -> NamedFigures:
    """Attention entropy over training, and the alignment error rate if there are gold alignments."""
    names = ("valid_attention_entropy", "valid_alignment_error_rate")
    curves = {
        name: {variant: found for variant, seeds in run.variants.items() if (found := _columns(seeds, name))}
        for name in names
    }
    shown = [name for name in names if curves[name]]
    if not shown:
        yield "entropy", "no seed has attention metrics"
        return
    figure, panels = _panels(len(shown), options.width, 0.6 if len(shown) == 1 else 0.75)
    order = list(run.variants)
    for name, axes in zip(shown, panels, strict=True):
        draw_curves(axes, {variant: curves[name].get(variant, []) for variant in order})
        axes.set_xlabel("step")
        axes.set_ylabel("attention entropy (nats)" if name == names[0] else "alignment error rate")
        axes.set_ylim(bottom=0)
    panels[0].legend()
    yield "entropy", figure


def alignments(run: Run, options: PlotOptions) -> NamedFigures:
    """One grid per variant: a row per example, a column per head; with one head, examples fill the rows."""
    for variant, seeds in run.variants.items():
        file = f"alignments-{variant}"
        chosen = [seed for seed in seeds if options.seed in (None, seed.seed)]
        seed = next((seed for seed in chosen if any(has_weights(seed, example) for example in options.examples)), None)
        if seed is None or seed.attention is None:
            yield file, "no attention weights of these examples can be read"
            continue
        examples = [example for example in options.examples if has_weights(seed, example)]
        yield file, _grid(variant, seed, examples, options.width)


def _grid(variant: str, seed: Seed, examples: Sequence[int], width: float) -> Figure:
    assert seed.attention is not None
    _, all_heads, longest, memory = seed.attention.weights.shape
    heads = min(MAX_HEADS, all_heads)
    cells = [(example, head) for example in examples for head in range(heads)]
    fit = max(1, min(3, int(width / (memory * LABEL_INCHES + 0.6))))  # leaves room for the labels if possible
    columns = heads if heads > 1 else min(fit, len(cells))
    rows = -(-len(cells) // columns)
    room = width / columns - 0.5, max(1.0, min(longest, MAX_LABELS) * LABEL_INCHES)
    figure = Figure(figsize=(width, rows * (room[1] + 0.6) + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(cells) :]:
        axes.set_visible(False)
    for (example, head), axes in zip(cells, grid.flat, strict=False):
        name = f"example {example}" + (f", head {head}" if heads > 1 else "")
        draw_alignment(axes, alignment_of(name, seed, example, head), room)
    figure.suptitle(shortened(f"{variant}, seed {seed.seed}", 60))
    return figure


def lengths(run: Run, options: PlotOptions) -> NamedFigures:
    """Sequence and token accuracy by target length."""
    scored = {variant: [_scores(seed) for seed in seeds if _scores(seed)] for variant, seeds in run.variants.items()}
    if not any(scored.values()):
        yield "lengths", "no predictions can be read"
        return
    grouping = LengthGroups.of(length for seeds in scored.values() for seed in seeds for length, *_ in seed)
    figure, panels = _panels(2, options.width, 0.75)
    for axes, column, name in zip(panels, (1, 2), ("sequence_accuracy", "token_accuracy"), strict=True):
        for i, (variant, seeds) in enumerate(scored.items()):
            _by_length(axes, i, variant, [_grouped(seed, column, grouping) for seed in seeds])
        axes.set_xlabel("target length (symbols)")
        axes.set_ylabel(title(name))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(-0.03, 1.03)
        axes.grid(alpha=0.3)
    panels[0].legend()
    yield "lengths", figure


FIGURES: dict[str, Callable[[Run, PlotOptions], NamedFigures]] = {
    "losses": losses,
    "alignments": alignments,
    "entropy": entropy,
    "lengths": lengths,
}


def _panels(count: int, width: float, ratio: float) -> tuple[Figure, Sequence[Axes]]:
    """A row of panels; `ratio` is height / width of a panel."""
    figure = Figure(figsize=(width, width / count * ratio), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _named(run: Run, variant: str) -> str:
    parameters = next((row.parameters for row in costs(run)[1] if row.variant == variant), None)
    return variant if parameters is None else f"{variant} ({parameters:,} parameters)"


def _columns(seeds: Sequence[Seed], name: str) -> list[Mapping[int, float]]:
    return [seed.rows[name] for seed in seeds if seed.rows.get(name)]


def _scores(seed: Seed) -> list[tuple[int, float, float]]:
    """For each example: target length, exact match, token accuracy."""
    return [_score(one) for one in seed.examples if one.predicted is not None and one.target]


def _score(one: Example) -> tuple[int, float, float]:
    correct, tokens = one.accuracy
    return len(one.target), float(bool(one.exact)), correct / max(1, tokens)


def _grouped(scores: list[tuple[int, float, float]], column: int, grouping: LengthGroups) -> dict[float, float]:
    """Middle of each group of lengths -> mean of a column of the scores."""
    groups: dict[float, list[float]] = {}
    for score in scores:
        groups.setdefault(grouping.middle(grouping.number(score[0])), []).append(float(score[column]))
    return {middle: sum(values) / len(values) for middle, values in sorted(groups.items())}


def _by_length(axes: Axes, i: int, variant: str, seeds: list[dict[float, float]]) -> None:
    """Draw one variant: the mean of its seeds, with a band from minimum to maximum."""
    places = sorted({place for seed in seeds for place in seed})
    columns = [[seed[place] for seed in seeds if place in seed] for place in places]
    shade, line = colour(i)
    if len(seeds) > 1:
        axes.fill_between(places, list(map(min, columns)), list(map(max, columns)), color=shade, alpha=0.18, lw=0)
    means = [sum(column) / len(column) for column in columns]
    axes.plot(places, means, color=shade, linestyle=line, marker="o", markersize=3, label=shortened(variant, 50))
