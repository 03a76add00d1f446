"""The generated pages: one for each part, as its docstring is now."""

import importlib.util
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("generate", Path(__file__).parent.parent / "docs" / "generate.py")
assert SPEC is not None
assert SPEC.loader is not None
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)
PAGES = generate.pages()
PARTS = generate.shipped()
AGAIN = "run: python -m docs.generate"


def test_there_is_a_page_for_each_part_and_none_beside() -> None:
    assert {*generate.FOLDER.rglob("*.md"), generate.CONTRACTS_PAGE} == set(PAGES), AGAIN
    assert len(PAGES) == len(PARTS) + 2


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(generate.ROOT)))
def test_page_is_not_stale(path: Path) -> None:
    assert path.read_text() == PAGES[path], AGAIN


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.kind}/{part.name}")
def test_page_says_what_a_reader_looks_for(part: object) -> None:
    text = PAGES[generate.path_of(part)]
    for heading in ("## When to use\n\n", "## Options\n\n"):
        assert heading in text, f"the docstring of {part} needs it"
    if part.kind not in ("embedding", "optimizer"):
        assert "## Equation\n\n```\n" in text
    if part.kind != "embedding":
        assert "## Source\n\n" in text
    assert f"[{part.name}]({part.kind}/{part.name}.md)" in PAGES[generate.FOLDER / "README.md"]


def test_tables_survive_a_type_with_bars() -> None:
    assert generate.code("copy | linear") == "`copy \\| linear`"
    lines = PAGES[generate.FOLDER / "decoder" / "plain.md"].splitlines()
    (row,) = [line for line in lines if line.startswith("| `bridge`")]
    assert row.replace("\\|", "").count("|") == 5
