"""What all figures share: colours, fonts, formats, and curves of several seeds."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Format = Literal["png", "svg", "pdf"]
FORMATS: tuple[Format, ...] = get_args(Format)
DPI = 150
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's colours, which colour-blind readers tell apart."""
LINES = ("-", "--", ":", "-.")
"""After seven variants colours come again with another line; so do they where a figure is printed in grey."""
Curve = Mapping[int, float]
"""Values by step."""

# fonts are embedded: outlines in SVG, TrueType in PDF, which readers can search
_STYLE: Any = {
    "font.size": 9,
    "svg.fonttype": "path",
    "svg.hashsalt": "seqtool",
    "pdf.fonttype": 42,
    "legend.fontsize": 8,
}
_METADATA: dict[Format, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


@contextmanager
def styled() -> Iterator[None]:
    """Our fonts meanwhile, whatever the user's matplotlib says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def picture(figure: Figure, form: Format = "png", dpi: int = DPI) -> bytes:
    """A figure as a file's content, the same for the same figure."""
    sink = io.BytesIO()
    with styled(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of symbols that the font lacks, drawn as boxes
        figure.savefig(sink, format=form, dpi=dpi, metadata=_METADATA[form])
    return sink.getvalue()


def colour(i: int) -> tuple[str, str]:
    """The colour and the line of the i-th variant."""
    return COLOURS[i % len(COLOURS)], LINES[i // len(COLOURS) % len(LINES)]


def draw_curves(axes: Axes, variants: Mapping[str, Sequence[Curve]], every: int = 1) -> None:
    """A line a variant, the mean of its seeds; several seeds as a band from the lowest to the highest.

    Args:
        every: neighbouring rows are averaged over so many steps.
    """
    for i, (name, curves) in enumerate(variants.items()):
        kept = [averaged(curve, every) for curve in curves if curve]
        if not kept:
            continue
        steps = sorted(set.intersection(*map(set, kept))) or sorted(kept[0])
        kept = [curve for curve in kept if set(steps) <= set(curve)]
        columns = [[curve[step] for curve in kept] for step in steps]
        shade, line = colour(i)
        if len(kept) > 1:
            axes.fill_between(steps, list(map(min, columns)), list(map(max, columns)), color=shade, alpha=0.18, lw=0)
        marker = "o" if len(steps) == 1 else None
        means = [sum(column) / len(column) for column in columns]
        axes.plot(steps, means, color=shade, linestyle=line, linewidth=1.5, marker=marker, label=shortened(name, 50))
    axes.grid(alpha=0.3)


def averaged(curve: Curve, every: int) -> dict[int, float]:
    """The mean of each `every` steps, at the last step of them: rows of steps 1 to `every` come first."""
    groups: dict[int, list[float]] = {}
    for step, value in curve.items():
        groups.setdefault(-(-step // every) * every, []).append(value)
    last = max(curve, default=0)
    return {min(end, last): sum(values) / len(values) for end, values in sorted(groups.items())}


def shortened(text: str, length: int) -> str:
    """At most so many characters; a dollar sign would begin mathematics."""
    return (text if len(text) <= length else f"{text[: length - 1]}…").replace("$", r"\$")
