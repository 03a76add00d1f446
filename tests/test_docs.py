"""The generated pages: complete, up to date, with the required sections."""

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


def test_every_part_has_a_page_and_there_are_no_others() -> None:
    assert {*generate.FOLDER.rglob("*.md"), generate.CONTRACTS_PAGE, generate.VERIFIED_PAGE} == set(PAGES), AGAIN
    assert len(PAGES) == len(PARTS) + 3


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(generate.ROOT)))
def test_page_is_up_to_date(path: Path) -> None:
    assert path.read_text() == PAGES[path], AGAIN


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.kind}/{part.name}")
def test_page_has_required_sections(part: object) -> None:
    text = PAGES[generate.path_of(part)]
    for heading in ("## When to use\n\n", "## Options\n\n"):
        assert heading in text, f"the docstring of {part} needs it"
    if part.kind not in ("embedding", "optimizer"):
        assert "## Equation\n\n```\n" in text
    if part.kind != "embedding":
        assert "## Source\n\n" in text
    assert f"[{part.name}]({part.kind}/{part.name}.md)" in PAGES[generate.FOLDER / "README.md"]


def test_table_of_verified_claims_contains_the_verdict() -> None:
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
    assert text.endswith("Not verified yet: `align_30_10`.\n")


def test_every_stored_verdict_has_a_claim() -> None:
    from seqtool.verification.claim import bundled_claims

    claims = {verdict["claim"] for verdict in generate.verdicts()}
    assert claims
    assert claims <= set(bundled_claims())


def test_bars_in_types_are_escaped_in_tables() -> None:
    assert generate.code("copy | linear") == "`copy \\| linear`"
    lines = PAGES[generate.FOLDER / "decoder" / "plain.md"].splitlines()
    (row,) = [line for line in lines if line.startswith("| `bridge`")]
    assert row.replace("\\|", "").count("|") == 5
