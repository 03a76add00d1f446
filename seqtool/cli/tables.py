"""Tables as aligned text that fits the terminal, Markdown, CSV or LaTeX."""

import csv
import io
from collections.abc import Callable, Sequence

import wcwidth

from seqtool.cli.verb_options import TableFormat

GAP = "  "
MIN_WRAPPED = 24
"""A column is wrapped to this width or more; if that does not suffice, the columns are divided into blocks."""
_TEX = {one: f"\\{one}" for one in "&%$#_{}"} | {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"
}  # fmt: skip

Lines = Sequence[Sequence[str]]


def render(lines: Lines, form: TableFormat, width: int | None = None) -> str:
    """A table without the last line end; the first of the lines is the heading.

    Args:
        width: the columns of the terminal, which text must not exceed; None if there is no limit.
    """
    writers: dict[TableFormat, Callable[[Lines], str]] = {"md": _markdown, "csv": _csv, "tex": _latex}
    return writers[form](lines) if form in writers else _text(lines, width)


def _text(lines: Lines, width: int | None) -> str:
    """Left-aligned columns; a wide character counts as two."""
    widths = [max(map(wcwidth.width, column)) for column in zip(*lines, strict=True)]
    if width is None:
        return "\n".join(_aligned(line, widths) for line in lines)
    widths = _narrowed(widths, width)
    return "\n\n".join(_block(lines, columns, widths) for columns in _blocks(widths, width))


def _narrowed(widths: list[int], width: int) -> list[int]:
    """The widths with the widest column narrowed so that the table fits, or unchanged if that is impossible."""
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    widest = widths.index(max(widths))
    if excess > 0 and widths[widest] - excess >= MIN_WRAPPED:
        widths[widest] -= excess
    rest = max(1, width - len(GAP) - widths[0])  # beside the first column
    return [min(widths[0], width), *(min(one, rest) for one in widths[1:])]


def _blocks(widths: list[int], width: int) -> list[list[int]]:
    """Groups of columns that fit, each beginning with the first column."""
    blocks, used = [[0]], widths[0]
    for column in range(1, len(widths)):
        if used + len(GAP) + widths[column] > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(column)
        used += len(GAP) + widths[column]
    return blocks


def _block(lines: Lines, columns: list[int], widths: list[int]) -> str:
    """Some columns; a cell that is wider than its column continues on further lines."""
    rows = []
    for line in lines:
        cells = [wcwidth.wrap(line[column], widths[column]) or [""] for column in columns]
        for i in range(max(map(len, cells))):
            row = [cell[i] if i < len(cell) else "" for cell in cells]
            rows.append(_aligned(row, [widths[column] for column in columns]))
    return "\n".join(rows)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(wcwidth.ljust(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _markdown(lines: Lines) -> str:
    escaped = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    rows = [f"| {' | '.join(line)} |" for line in escaped]
    return "\n".join([rows[0], f"|{'---|' * len(lines[0])}", *rows[1:]])


def _csv(lines: Lines) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows(lines)
    return sink.getvalue().removesuffix("\n")


def _latex(lines: Lines) -> str:
    escaped = [["".join(_TEX.get(one, one) for one in cell) for cell in line] for line in lines]
    rows = [rf"{' & '.join(line)} \\" for line in escaped]
    return "\n".join([f"\\begin{{tabular}}{{{'l' * len(lines[0])}}}", rows[0], "\\hline", *rows[1:], "\\end{tabular}"])
