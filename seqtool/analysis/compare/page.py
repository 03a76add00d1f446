"""compare.html: one file without scripts and without external resources."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from seqtool.analysis.report.results import format_number, title
from seqtool.analysis.report.visible_symbols import visible


def render(found: Mapping[str, Any], drawings: Mapping[str, str]) -> str:
    """Render the tables, with the figures as inline SVG.

    Args:
        drawings: name -> SVG of matplotlib, with text as outlines.
    """
    environment = Environment(
        loader=PackageLoader("seqtool.analysis.compare"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"number": format_number, "title": title, "visible": visible}
    bodies = {name: text[text.index("<svg") :] for name, text in drawings.items()}
    return environment.get_template("compare.html").render(found=found, drawings=bodies)
