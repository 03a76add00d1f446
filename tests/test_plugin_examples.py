"""The example parts in docs/plugins.md and README.md are short and keep their contracts."""

import re
from pathlib import Path
from typing import Any

import pytest

from seqtool.registry.kinds import KINDS
from seqtool.testing import CONTRACTS, check, example_options

ROOT = Path(__file__).parent.parent
LONGEST = 40
DECLARATIONS = ("state_size", "num_state", "num_fixed", "output_index", "final_sizes =")


def examples() -> dict[str, str]:
    """The code blocks that define a part, by their first line."""
    text = "".join((ROOT / name).read_text() for name in ("README.md", "docs/plugins.md"))
    blocks = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "\nclass " in block]
    return {block.partition("\n")[0].strip('"# '): block for block in blocks}


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_keeps_its_contract(name: str) -> None:
    found: dict[str, Any] = {"__name__": name}
    exec(compile(EXAMPLES[name], name, "exec"), found)
    parts = [x for x in found.values() if isinstance(x, type) and x.__module__ == name and hasattr(x, "kind")]
    assert [part.kind in KINDS and part.kind in CONTRACTS for part in parts] == [True]
    options = example_options(parts[0])
    check(parts[0].kind, lambda *sizes: parts[0](*sizes, **options))


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_short_and_declares_nothing_of_its_state(name: str) -> None:
    code = EXAMPLES[name].rstrip("\n").split("\n")
    assert len(code) <= LONGEST
    assert not [word for word in DECLARATIONS if word in EXAMPLES[name]]


def test_documents_have_an_example_of_a_scorer_a_cell_a_decoder_and_a_metric() -> None:
    assert {Path(name).stem for name in EXAMPLES} == {
        "my_scorer",
        "bilinear",
        "fast_weights",
        "last_symbol",
        "last_place",
    }
