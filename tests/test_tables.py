"""Tables of the command line: narrow terminals, Markdown, CSV and LaTeX."""

import csv
from pathlib import Path

import pytest
import wcwidth
from fake_runs import Call, write_run

from seqtool.cli.tables import render

MEASURES = [
    ["length", "exact match", "token accuracy", "edit distance", "token error rate"],
    ["all", "0.7167 [0.6000, 0.8333]", "0.9105 [0.8630, 0.9495]", "0.3833 [0.2329, 0.5833]", "0.0871 [0.0524, 0.1287]"],
    ["3", "0.8095 [0.6190, 0.9524]", "0.9524 [0.9048, 0.9881]", "0.1905 [0.0476, 0.3810]", "0.0635 [0.0159, 0.1270]"],
]
SPECIAL = [["part", "a_b"], ["50 %", "x|y & {z} \\ ~^#$"]]


def test_columns_that_do_not_fit_continue_in_another_block() -> None:
    text = render(MEASURES, "text", 80)
    assert max(map(len, text.splitlines())) <= 80
    first, second = text.split("\n\n")
    assert [line.split()[0] for line in first.splitlines()] == ["length", "all", "3"]
    assert second.splitlines()[0].split("  ")[:2] == ["length", "edit distance"]
    for cell in (cell for line in MEASURES for cell in line):
        assert cell in text
    assert render(MEASURES, "text", 200) == render(MEASURES, "text")


@pytest.mark.parametrize("width", [40, 80])
def test_long_sentences_are_wrapped_between_words(width: int) -> None:
    lines = [["part", "summary", "plugin"], ["scorer/additive", "日本 weights of a small network " * 5, "attention"]]
    text = render(lines, "text", width)
    assert max(map(wcwidth.width, text.splitlines())) <= width
    assert set(text.split()) == {word for line in lines for cell in line for word in cell.split()}


def test_markdown_csv_and_latex() -> None:
    assert render(SPECIAL, "md") == "| part | a_b |\n|---|---|\n| 50 % | x\\|y & {z} \\ ~^#$ |"
    assert list(csv.reader(render(SPECIAL, "csv").splitlines())) == SPECIAL
    assert render(SPECIAL, "tex").splitlines() == [
        r"\begin{tabular}{ll}",
        r"part & a\_b \\",
        r"\hline",
        r"50 \% & x|y \& \{z\} \textbackslash{} \textasciitilde{}\textasciicircum{}\#\$ \\",
        r"\end{tabular}",
    ]


def test_a_verb_prints_only_tables_in_other_formats(tmp_path: Path, call: Call) -> None:
    run = write_run(tmp_path / "run", ("one", "two"))
    code, out, err = call("compare", run, "--format", "csv", "--out", tmp_path / "out")
    assert (code, err) == (0, f"\n{tmp_path / 'out/compare.html'}\n")
    assert out.splitlines()[:2] == ["recipe,one,two", "model.size,1,2"]
    code, out, _ = call("list", "cell", "--format", "md")
    assert out.startswith("| PART | SUMMARY | PLUGIN |\n|---|---|---|\n| cell/")
