"""What the registry knows is not written down again: no list, table or dict names most parts of a kind."""

import ast
from collections.abc import Iterator
from pathlib import Path

from registered import names

from seqtool.registry.kinds import KINDS

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path.relative_to(ROOT)
    for folder in ("seqtool", "plugins", "tests", "benchmarks", "docs")
    for path in (ROOT / folder).rglob("*.py")
)
PARTS = {kind: set(names(kind)) for kind in KINDS if kind not in ("verb", "kernel")}
"""Verbs and kernels have no equation; their names are also those of functions and of other parts."""
ALLOWED = {
    ("tests/attention_oracle.py", "scorer"): "how the parameters of a scorer enter its equation",
    ("tests/cell_oracle.py", "cell"): "how the parameters of a cell enter its equation",
    ("tests/test_copying.py", "loss"): "the three losses of one sum",
    ("tests/test_interventions.py", "decoder"): "options of each decoder with attention in a recipe",
    ("tests/test_lookup_tasks.py", "task"): "options that each of these tasks refuses",
    ("tests/test_small_equations.py", "loss"): "options of losses, compared with their equations",
    ("tests/test_small_equations.py", "schedule"): "factors of schedules computed by hand",
    ("tests/test_weight_metrics.py", "metric"): "each metric in plain loops; metrics have no equation to compare with",
}
"""The lists that may name half of the parts of a kind, and what they contain that the registry does not."""


def collections(tree: ast.AST) -> Iterator[list[ast.expr]]:
    """The entries of each literal list, tuple, set and dict (its keys), and what each `if` chain compares with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            yield node.elts
        elif isinstance(node, ast.Dict):
            yield [key for key in node.keys if key is not None]
        elif isinstance(node, ast.If):
            yield list(compared(node))
        elif isinstance(node, ast.Match):
            yield [case.pattern.value for case in node.cases if isinstance(case.pattern, ast.MatchValue)]


def compared(node: ast.If) -> Iterator[ast.expr]:
    if isinstance(node.test, ast.Compare):
        yield from node.test.comparators
    for other in node.orelse:
        if isinstance(other, ast.If):
            yield from compared(other)


def named(entry: ast.expr) -> str:
    """The part that an entry names: "lstm", "cell/lstm", ("lstm", ...) or param("lstm", ...); else ""."""
    if isinstance(entry, ast.Tuple | ast.List) and entry.elts:
        return named(entry.elts[0])
    if isinstance(entry, ast.Call) and entry.args:
        return named(entry.args[0])
    if isinstance(entry, ast.Constant) and isinstance(entry.value, str):
        return entry.value.rpartition("/")[2].rpartition(":")[2]
    return ""


def lists_of_parts(text: str) -> set[str]:
    """The kinds of which one collection names half of the parts or more, and at least three."""
    found = [set(map(named, entries)) for entries in collections(ast.parse(text))]
    return {kind for kind, parts in PARTS.items() for one in found if len(one & parts) >= max(3, len(parts) / 2)}


def declares_components(path: Path) -> bool:
    return path.parts[0] == "plugins" and path.name == "__init__.py"


def test_no_list_repeats_what_the_registry_knows() -> None:
    found = {
        (str(path), kind)
        for path in FILES
        if not declares_components(path)
        for kind in lists_of_parts((ROOT / path).read_text())
    }
    assert found == set(ALLOWED), "use the registry, or give a reason in ALLOWED"


def test_lists_are_found() -> None:
    searches = names("search")
    for text in (
        f"x = {searches}",
        f"x = {dict.fromkeys(searches, 1)}",
        f"x = {[(name, {}) for name in searches]}",
        f"x = {[f'search/{name}' for name in searches]}",
        f"x = {set(searches)}",
        "if x == 'beam':\n    pass\nelif x == 'greedy':\n    pass\nelif x == 'sample':\n    pass",
        "match x:\n    case 'beam':\n        pass\n    case 'greedy':\n        pass\n    case 'sample':\n        pass",
    ):
        assert lists_of_parts(text) == {"search"}, text
    assert lists_of_parts("x = ['beam', 'greedy']") == set()
    assert lists_of_parts("x = ['beam', 'greedy', 'beam']") == set()
