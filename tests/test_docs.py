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
    assert {*generate.FOLDER.rglob("*.md"), generate.CONTRACTS_PAGE, generate.VERIFIED_PAGE} == set(PAGES), AGAIN
    assert len(PAGES) == len(PARTS) + 3


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


def test_the_table_of_verified_claims_says_all_that_a_verdict_does() -> None:
    measure = {"name": "test", "published": 0.208, "band": "mean 0.05 to 0.3", "mean": 0.15, "holds": False}
    machine = {"processor": "P", "cores": 2, "system": "S"}
    run = {"git": {"commit": "0123456789ab", "changed": True}, "machine": machine, "device": "cpu", "threads": 1}
    runs = [{**run, "seconds": seconds, "created": "2026-11-20T10:00:00+00:00"} for seconds in (70.0, 300.0)]
    verdict = {
        "claim": "scan_length", "as_published": False, "title": "t", "published": "p", "source": "s", "note": "",
        "verdict": "DOES NOT HOLD: test", "recipe": "r", "runs": runs,
        "measures": [{**measure, "seeds": {"0": 0.1, "1": 0.2}}],
    }  # fmt: skip
    text = generate.verified([verdict], ["align_30_10", "scan_length"])
    assert "| scan_length | test | 0.208 | mean 0.05 to 0.3 | 0.1, 0.2 | 0.15 | **no** |" in text
    place = "012345678 + | P, 2 cores, cpu, 1 threads | 1 to 5 min | 2026-11-20 |"
    assert f"| scan_length | DOES NOT HOLD: test | r | {place}" in text
    assert text.endswith("Not run yet: `align_30_10`.\n")


def test_every_kept_verdict_is_of_a_claim_that_is_there() -> None:
    from seqtool.verification.claim import bundled_claims

    for verdict in generate.verdicts():
        assert verdict["claim"] in bundled_claims()


def test_tables_survive_a_type_with_bars() -> None:
    assert generate.code("copy | linear") == "`copy \\| linear`"
    lines = PAGES[generate.FOLDER / "decoder" / "plain.md"].splitlines()
    (row,) = [line for line in lines if line.startswith("| `bridge`")]
    assert row.replace("\\|", "").count("|") == 5
