"""Shared by all figures: colours, fonts, file formats, and curves over seeds."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqtool.analysis.fonts import FONT_SETTINGS, add_fallback_fonts

Format = Literal["png", "svg", "pdf"]
FORMATS: tuple[Format, ...] = get_args(Format)
DPI = 150
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The palette of Okabe & Ito, which is safe for colour-blind readers."""
LINES = ("-", "--", ":", "-.")
"""Line styles; the style changes after each seven variants."""
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
    """Use seqtool's matplotlib settings instead of the user's, except for the user's fonts."""
    with matplotlib.rc_context():
        fonts: Any = {name: matplotlib.rcParams[name] for name in FONT_SETTINGS}
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(fonts)
        matplotlib.rcParams.update(_STYLE)
        yield


def render_figure(figure: Figure, format_: Format = "png", dpi: int = DPI) -> bytes:
    """The content of a figure file; equal figures give equal bytes."""
    sink = io.BytesIO()
    with styled():
        add_fallback_fonts(figure)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # missing glyphs, which are reported
            figure.savefig(sink, format=format_, dpi=dpi, metadata=_METADATA[format_])
    return sink.getvalue()


def colour(i: int) -> tuple[str, str]:
    """Colour and line style of the i-th variant."""
    return COLOURS[i % len(COLOURS)], LINES[i // len(COLOURS) % len(LINES)]


def draw_curves(axes: Axes, variants: Mapping[str, Sequence[Curve]], every: int = 1) -> None:
    """Draw each variant: the mean of its seeds, with a band from minimum to maximum.

    Args:
        every: number of steps averaged in one point.
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
    """Means over groups of `every` steps, placed at the last step of each group; the first group begins at step 1."""
    groups: dict[int, list[float]] = {}
    for step, value in curve.items():
        groups.setdefault(-(-step // every) * every, []).append(value)
    last = max(curve, default=0)
    return {min(end, last): sum(values) / len(values) for end, values in sorted(groups.items())}


def shortened(text: str, length: int) -> str:
    """Truncate a text, and escape dollar signs, which start math mode."""
    return (text if len(text) <= length else f"{text[: length - 1]}…").replace("$", r"\$")
