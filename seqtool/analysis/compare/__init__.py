"""`seqtool compare`: differences between variants and runs, from their files. Imports no torch.

`variants` reads the runs; `pooling` joins those of equal recipes; `comparison_tables` computes the tables;
`comparison_figures` draws; `page` renders.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqtool.analysis.figures import Format
from seqtool.runs.files import translate_write_errors, write_atomic


def compare(
    runs: Sequence[Path],
    *,
    variants: Sequence[str] = (),
    baseline: str | None = None,
    out: Path | None = None,
    formats: Sequence[Format] = ("png", "svg"),
    example: int = 0,
) -> dict[str, Any]:
    """Compare variants of one run, or of several. The seeds of runs with equal recipes are pooled.

    Args:
        runs: run directories; of damaged runs and runs in training, whatever can be read is used.
        variants: names of the variants; default: all.
        baseline: the label or name of the variant that the others are compared with; default: the first.
        out: a folder for compare.html, compare.json and the figures; None writes nothing.
        formats: formats of the figure files.
        example: the validation example whose alignments are drawn, from 0.

    Raises:
        SeqtoolError: fewer than two variants can be read, no such variant, or `out` cannot be written.
    """
    from seqtool.analysis.compare.comparison_figures import figures
    from seqtool.analysis.compare.comparison_tables import comparison
    from seqtool.analysis.compare.page import render
    from seqtool.analysis.compare.variants import read_variants
    from seqtool.analysis.figures import render_figure

    compared = read_variants(runs, variants, baseline)
    found = comparison(compared)
    if out is None:
        return found
    drawn, remarks = figures(compared.variants, example)
    found["notes"] += remarks
    with translate_write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        for form in formats:
            write_atomic(out / f"{name}.{form}", render_figure(figure, form))
    page = render(found, {name: render_figure(figure, "svg").decode() for name, figure in drawn.items()})
    write_atomic(out / "compare.html", page.encode("utf-8", "replace"))
    write_atomic(out / "compare.json", (json.dumps({"format": 1, **found}, indent=2) + "\n").encode())
    return found
