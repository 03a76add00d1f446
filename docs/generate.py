"""Pages from the code itself, one a part and one of the contracts: `python -m docs.generate`.

A part's page comes from its docstring, its constructor and its worked example; the contracts' from the suite's rules.
Pages are committed; `tests/test_docs.py` fails when one is missing or stale.
"""

import sys
from pathlib import Path

from seqtool.explain import Explanation, example_lines, explain
from seqtool.kinds import KINDS
from seqtool.registry import Registered, discover
from seqtool.testing import CONTRACTS

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "parts"
CONTRACTS_PAGE = ROOT / "docs" / "contracts.md"
NOTE = "<!-- written by `python -m docs.generate` from docstrings: change those, not this -->"
SHARED = 5
"""A rule that more kinds than this are asked stands at the top."""
INTRODUCTION = """`seqtool.testing` holds a part against the contract of its kind. Our own parts pass it, alone and
in pairs, and so may yours:

```python
from seqtool.testing import check_scorer
from my_scorers.bilinear import Bilinear


def test_bilinear():
    check_scorer(lambda query_size, memory_size: Bilinear(query_size, memory_size, temperature=0.5))
```

There is a `check_<kind>` for each kind; `check(kind, build, rules=["padding"])` asks for some rules only. A part that
does not keep its contract raises a `ContractViolation`, which says what is wrong in words:

```text
scorer additive: row 2's scores change when padding grows from 3 to 7: 0.31 and 0.29
```

`example_options(cls)` finds values for the options that a part requires and fills its slots with `STAND_INS`, small
parts of this package, so that a whole registry can be tested by a loop."""


def shipped() -> list[Registered]:
    """The parts that come with seqtool, kind by kind, whatever else is installed."""
    plugins = str(ROOT / "plugins")
    if plugins not in sys.path:
        sys.path.append(plugins)
    modules = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py"))
    parts = [part for part in discover(modules=modules).parts() if part.plugin.module in modules]
    order = list(KINDS)
    return sorted(parts, key=lambda part: (order.index(part.kind), part.name))


def pages() -> dict[Path, str]:
    """Every page and what it holds."""
    parts = shipped()
    return {
        FOLDER / "README.md": index(parts),
        CONTRACTS_PAGE: contracts(),
        **{path_of(part): page(part, explain(part)) for part in parts},
    }


def path_of(part: Registered) -> Path:
    """Where a part's page stands."""
    return FOLDER / part.kind / f"{part.name}.md"


def index(parts: list[Registered]) -> str:
    """A table of all parts for each kind."""
    blocks = [NOTE, "# Parts", "What recipes can name. `seqtool describe KIND/NAME` says the same on the command line."]
    for kind in KINDS.values():
        rows = [(f"[{p.name}]({p.kind}/{p.name}.md)", p.summary) for p in parts if p.kind == kind.name]
        blocks += [f"## {kind.name}: {kind.summary}", table(("part", "what it is"), rows)]
    return "\n\n".join(blocks) + "\n"


def contracts() -> str:
    """What the contract suite asks of each kind; what it asks of nearly all stands once, at the top."""
    rules = {kind: contract.rules() for kind, contract in CONTRACTS.items()}
    every = list(rules["cell"].items())
    shared = [(name, text) for name, text in every if sum(name in asked for asked in rules.values()) > SHARED]
    blocks = [NOTE, "# What the contract suite asks", INTRODUCTION]
    blocks += ["## Of every kind that it can be asked of", table(("rule", "what it says"), rows(shared))]
    for kind, asked in rules.items():
        own = [(name, text) for name, text in asked.items() if (name, text) not in shared]
        blocks += [f"## {kind}", paragraphs((CONTRACTS[kind].__doc__ or "").split("\n\n")[0])]
        blocks += [table(("rule", "what it says"), rows(own))] if own else []
    return "\n\n".join(blocks) + "\n"


def rows(rules: list[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Rules as lines of a table."""
    return [(f"`{name}`", text.replace("|", "\\|")) for name, text in rules]


def page(part: Registered, explanation: Explanation) -> str:
    """The page of one part."""
    said, example = explanation.description, explanation.example
    options = [
        (f"`{option.name}`", code(option.type), code(option.default or "required"), option.meaning)
        for option in said.options
    ]
    sizes = [(f"`{name}`", meaning) for name, meaning in said.sizes]
    sections = {
        "": "\n\n".join(filter(None, [said.summary, paragraphs(said.text)])),
        "Equation": fenced(said.equation),
        "When to use": paragraphs(said.when_to_use[:1].upper() + said.when_to_use[1:]),
        "Options": table(("option", "type", "default", "meaning"), options) if options else "None.",
        "Sizes, from the parts around it": table(("size", "meaning"), sizes) if sizes else "",
        "Source": paragraphs(said.source),
        "In plain Python": fenced(explanation.code, "python"),
        "Worked example": fenced("\n".join(example_lines(example))) if example else "",
    }
    blocks = [NOTE, f"# {part.kind}/{part.name}"]
    for heading, text in sections.items():
        if text:
            blocks += [*([f"## {heading}"] if heading else []), text]
    return "\n\n".join(blocks) + "\n"


def fenced(text: str, language: str = "") -> str:
    """A block of code, empty for no text."""
    return f"```{language}\n{text}\n```" if text else ""


def code(text: str) -> str:
    """Code inside a table."""
    return f"`{text}`".replace("|", "\\|")


def paragraphs(text: str) -> str:
    """Text with each paragraph on one line."""
    return "\n\n".join(" ".join(block.split()) for block in text.split("\n\n"))


def table(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Write all pages, and remove those of parts that are no more."""
    wanted = pages()
    for path in set(FOLDER.rglob("*.md")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(f"{len(wanted)} pages in {FOLDER}")


if __name__ == "__main__":
    main()
