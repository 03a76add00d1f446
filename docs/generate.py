"""Pages from the code itself: one a part, one of the contracts, one of what was verified: `python -m docs.generate`.

A part's page comes from its docstring, its constructor and its worked example; the contracts' from the suite's rules;
the table of verified claims from the verdicts in `docs/verified`, each a `verdict.json` of `seqtool verify`.
Pages are committed; `tests/test_docs.py` fails when one is missing or stale.
"""

import json
import sys
from pathlib import Path
from typing import Any

from seqtool.explain import Explanation, example_lines, explain
from seqtool.registry import Registered, discover
from seqtool.registry.kinds import KINDS
from seqtool.testing import CONTRACTS
from seqtool.verification.claim import bundled_claims

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "parts"
CONTRACTS_PAGE = ROOT / "docs" / "contracts.md"
VERDICTS = ROOT / "docs" / "verified"
VERIFIED_PAGE = ROOT / "docs" / "verified.md"
VERIFIED = """What `seqtool verify` found: each number of a paper that a recipe here is held against, and what came out.
[verify.md](verify.md) says how to repeat a row and what a band is. A claim that does not hold stays here
with what was seen."""
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
parts of this package, so that a whole registry can be tested by a loop.

On an accelerator, `check_on_device(kind, build, "cuda", torch.bfloat16)` compares outputs and gradients of a part with
those on the CPU in float64, from the same inputs."""


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
        VERIFIED_PAGE: verified(verdicts(), list(bundled_claims())),
        **{path_of(part): page(part, explain(part)) for part in parts},
    }


def path_of(part: Registered) -> Path:
    """Where a part's page stands."""
    return FOLDER / part.kind / f"{part.name}.md"


def index(parts: list[Registered]) -> str:
    """A table of all parts for each kind."""
    blocks = [NOTE, "# Parts", "What recipes can name. `seqtool describe KIND/NAME` says the same on the command line."]
    for kind in (kind for kind in KINDS.values() if kind.constructed):
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


def verdicts() -> list[dict[str, Any]]:
    """What is kept of verified claims, by name."""
    return [json.loads(path.read_text()) for path in sorted(VERDICTS.glob("*.json"))]


def verified(found: list[dict[str, Any]], claims: list[str]) -> str:
    """Numbers, where they come from, and which claims nobody has held against anything yet."""
    numbers = [
        (
            _label(verdict),
            measure["name"],
            _number(measure["published"]),
            measure["band"],
            ", ".join(map(_number, measure["seeds"].values())),
            _number(measure["mean"]),
            {True: "yes", False: "**no**", None: "-"}[measure["holds"]],
        )
        for verdict in found
        for measure in verdict["measures"]
    ]
    runs = [(_label(verdict), verdict["verdict"], verdict["recipe"], *_provenance(verdict)) for verdict in found]
    left = ", ".join(f"`{name}`" for name in claims if name not in {verdict["claim"] for verdict in found})
    about = [
        f"- **{_label(v)}**: {v['title']}. Published: {v['published']}. Source: {v['source']}. {v['note']}".rstrip()
        for v in found
    ]
    heading = ("claim", "measure", "published", "band", "seeds", "mean", "holds")
    blocks = [NOTE.replace("docstrings", "docs/verified"), "# What was verified", VERIFIED]
    if found:
        blocks += [table(heading, numbers), "## Where and when", "Time is of training, for one seed and variant."]
        blocks += [table(("claim", "verdict", "recipe", "commit", "machine", "time", "date"), runs)]
        blocks += ["## What is claimed", "\n".join(about)]
    return "\n\n".join([*blocks, *([f"Not run yet: {left}."] if left else [])]) + "\n"


def _label(verdict: dict[str, Any]) -> str:
    return verdict["claim"] + (" as published" if verdict["as_published"] else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if value < 1000 else f"{value:,.0f}"


def _provenance(verdict: dict[str, Any]) -> tuple[str, ...]:
    """Commit, machine, time and date of what was trained."""
    runs = verdict["runs"]
    commits = {run["git"]["commit"][:9] + " +" * run["git"]["changed"] for run in runs if run["git"]}
    machines = {
        f"{run['machine']['processor']}, {run['machine']['cores']} cores, {run['device']}, {run['threads']} threads"
        if run["machine"]
        else f"{run['device']}, {run['threads']} threads"
        for run in runs
    }
    minutes = sorted({max(1, round(run["seconds"] / 60)) for run in runs})
    time = f"{minutes[0]} min" if len(minutes) == 1 else f"{minutes[0]} to {minutes[-1]} min"
    dates = sorted({run["created"][:10] for run in runs})
    return ", ".join(sorted(commits)) or "-", "; ".join(sorted(machines)), time, " to ".join(dict.fromkeys(dates))


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
