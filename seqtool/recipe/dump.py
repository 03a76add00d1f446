"""Resolved data -> YAML text from which `load_recipe` reads the same data."""

from typing import Any

import yaml

from seqtool.recipe.scalars import BOOL, FLOAT, INT, NULL
from seqtool.recipe.yaml_internals import PlainDumper

_WIDTH = 110


for _tag, _pattern in (("null", NULL), ("bool", BOOL), ("int", INT), ("float", FLOAT)):
    PlainDumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, None)


def dump(data: Any) -> str:
    """The data of a recipe as YAML: sections as blocks, the innermost mappings and lists on one line."""
    text: str = yaml.dump(
        data, Dumper=PlainDumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=_WIDTH
    )
    return text
