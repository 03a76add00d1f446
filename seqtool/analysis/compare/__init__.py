"""`seqtool compare`: what separates variants and runs, from their files alone. No torch, no model.

`variants` reads them; `comparison_tables` measures, with intervals; `comparison_figures` draws; `page` renders it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqtool.analysis.figures import Format
from seqtool.runs.files import telling, write_atomic


def compare(
    runs: Sequence[Path],
    *,
    variants: Sequence[str] = (),
    out: Path | None = None,
    formats: Sequence[Format] = ("png", "svg"),
    example: int = 0,
) -> dict[str, Any]:
    """Compare variants of one run, or of several.

    Args:
        runs: run directories; damaged ones, and those still training, give what can be read.
        variants: only those of these names; default: all.
        out: a folder for compare.html, compare.json and the figures; None writes nothing.
        formats: of the figures beside the page.
        example: which validation example's alignments are drawn side by side, from 0.

    Raises:
        SeqtoolError: fewer than two variants can be read, no such variant, or `out` cannot be written.
    """
    from seqtool.analysis.compare.comparison_figures import figures
    from seqtool.analysis.compare.comparison_tables import comparison
    from seqtool.analysis.compare.page import render
    from seqtool.analysis.compare.variants import gather
    from seqtool.analysis.figures import picture

    gathered = gather(runs, variants)
    found = comparison(gathered)
    if out is None:
        return found
    drawn, remarks = figures(gathered.arms, example)
    found["notes"] += remarks
    with telling(out):
        out.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        for form in formats:
            write_atomic(out / f"{name}.{form}", picture(figure, form))
    page = render(found, {name: picture(figure, "svg").decode() for name, figure in drawn.items()})
    write_atomic(out / "compare.html", page.encode("utf-8", "replace"))
    write_atomic(out / "compare.json", (json.dumps({"format": 1, **found}, indent=2) + "\n").encode())
    return found
