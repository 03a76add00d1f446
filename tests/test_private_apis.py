"""Private attributes of libraries occur in one module per library, and behave as expected there."""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import nn

from seqtool.parts.torch_internals import write_count
from seqtool.recipe.yaml_internals import Composer, PlainDumper, text_before
from seqtool.training.lightning_internals import LowOverheadModule, is_rank_zero, set_completed_steps

ROOT = Path(__file__).parent.parent
FILES = sorted(path for folder in ("seqtool", "plugins") for path in (ROOT / folder).rglob("*.py"))
INTERNALS = {
    "seqtool/parts/torch_internals.py",
    "seqtool/recipe/yaml_internals.py",
    "seqtool/training/lightning_internals.py",
}
PRIVATE = re.compile("_[a-z][a-z0-9_]*")
PUBLIC = {"_asdict", "_fields", "_make", "_replace", "_field_defaults", "_exit"}
"""Documented names: those of NamedTuples, whose underscore distinguishes them from fields, and `os._exit`."""
OWN_OBJECT = {"self", "cls"}
LIBRARY_NAMES = {
    name
    for thing in (pl.LightningModule(), torch.optim.SGD([torch.zeros(1)]), pl.Trainer, yaml.Loader, torch.Tensor)
    for name in dir(thing)
    if PRIVATE.fullmatch(name)
}


def defined(tree: ast.AST) -> Iterator[str]:
    """The private names that a file defines: functions, attributes of `self`, names in class bodies."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node.value) in OWN_OBJECT
        ):
            yield node.attr
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def uses(tree: ast.AST) -> Iterator[str]:
    """The private names of other objects that a file reads, writes or contains as strings."""
    own = set(defined(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and PRIVATE.match(node.attr):
            inherited = ast.unparse(node.value) in OWN_OBJECT and node.attr not in LIBRARY_NAMES
            if not inherited and node.attr not in own | PUBLIC:
                yield node.attr
        elif isinstance(node, ast.Attribute) and node.attr == "_C":
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in LIBRARY_NAMES - own:
            yield node.value
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            outside = not names[0].startswith("seqtool")
            yield from (name for name in names if outside and re.search(r"(^|\.)_[a-zA-Z]", name))


@pytest.mark.parametrize(
    "source",
    [
        "x._version", "torch._C.f()", "module._parameters", "self._parameters", "getattr(m, '_current_fx_name')",
        "from torch._dynamo import f", "import torch._inductor", "from torch.nn import _reduction", "optimizer._hooks",
    ],
)  # fmt: skip
def test_private_names_of_libraries_are_found(source: str) -> None:
    assert list(uses(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    ["self._mine", "x._replace(a=1)", "class A:\n def _f(self): ...\nA()._f()", "from seqtool._x import y", "'_size'"],
)
def test_private_names_of_seqtool_are_ignored(source: str) -> None:
    assert not list(uses(ast.parse(source)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_attributes_occur_in_one_module_per_library(path: Path) -> None:
    found = sorted(set(uses(ast.parse(path.read_text()))))
    if str(path.relative_to(ROOT)) not in INTERNALS:
        assert not found, f"{path.name} names {found}: move it to one of {sorted(INTERNALS)}, with its reason"


def private_overrides(module: ModuleType) -> Iterator[str]:
    """`Class._method` for each method of a module that overrides a private method of a library."""
    for cls in vars(module).values():
        if not (inspect.isclass(cls) and cls.__module__ == module.__name__):
            continue
        libraries = [b for b in cls.__mro__ if b.__module__.split(".")[0] not in sys.stdlib_module_names | {"builtins"}]
        for name, value in vars(cls).items():
            replaced = [b for b in libraries if not b.__module__.startswith("seqtool") and name in vars(b)]
            if inspect.isfunction(value) and PRIVATE.fullmatch(name) and replaced:
                yield f"{cls.__name__}.{name}"


def test_private_methods_are_overridden_only_there() -> None:
    found = {}
    for path in FILES:
        base = ROOT / "plugins" if "plugins" in path.relative_to(ROOT).parts else ROOT
        name = ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")
        if "__main__" in name:
            continue
        if overrides := list(private_overrides(importlib.import_module(name))):
            found[str(path.relative_to(ROOT))] = overrides
    assert found == {"seqtool/training/lightning_internals.py": ["LowOverheadModule._call_batch_hook"]}


def test_writes_are_counted() -> None:
    x = torch.zeros(3)
    before = write_count(x)
    x.view(-1)[0] = 1
    x.add_(1)
    assert write_count(x) == before + 2
    assert x.sum() == 4
    assert write_count(x) == before + 2


class Counted(LowOverheadModule):
    """Records the batch hooks that Lightning calls, and the attributes that it sets."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.hooks: list[str] = []
        self.names: set[object] = set()

    def _call_batch_hook(self, hook_name: str, batch: torch.Tensor, *arguments: object) -> torch.Tensor:
        self.hooks.append(hook_name)
        result: torch.Tensor = super()._call_batch_hook(hook_name, batch, *arguments)
        return result

    def training_step(self, batch: torch.Tensor, number: int) -> torch.Tensor:
        self.names.add(vars(self).get("_current_fx_name"))
        return self.layer(batch).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.filterwarnings("ignore")
def test_lightning_calls_the_module_and_counts_completed_steps() -> None:
    module = Counted()
    trainer = pl.Trainer(
        max_steps=5, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    set_completed_steps(trainer, 3)
    trainer.fit(module, torch.utils.data.DataLoader(torch.ones(8, 1)))
    assert trainer.global_step == 5
    steps = module.hooks.count("transfer_batch_to_device")
    assert steps in (2, 3), "two steps were left; Lightning may prefetch a batch"
    assert set(module.hooks) == {"on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer"}
    assert module.names == {"training_step"}


def test_lightning_knows_the_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in (0, 1):
        monkeypatch.setattr(rank_zero_only, "rank", rank)
        assert is_rank_zero() == (rank == 0)

    calls: list[int] = []
    rank_zero_only(lambda: calls.append(1))()
    assert not calls, "Lightning's own decorator reads the same attribute"


def test_yaml_reports_nodes_before_they_are_composed() -> None:
    seen = []
    composer = Composer("a: [1, {b: c}]", lambda event, depth, count: seen.append((type(event), depth, count)))
    root = composer.document()
    assert isinstance(root, yaml.MappingNode)
    mapping, sequence, scalar = yaml.MappingStartEvent, yaml.SequenceStartEvent, yaml.ScalarEvent
    assert seen == [
        (mapping, 1, 1), (scalar, 1, 2), (sequence, 2, 3), (scalar, 2, 4),
        (mapping, 3, 5), (scalar, 3, 6), (scalar, 3, 7),
    ]  # fmt: skip
    assert all(node.tag != "tag:yaml.org,2002:int" for node in root.value[0][1].value), "scalars are not resolved"


def test_yaml_reports_the_last_event() -> None:
    composer = Composer("long\n  lines: 2\n", lambda *_: None)
    with pytest.raises(yaml.MarkedYAMLError, match="mapping values"):
        composer.document()
    last = composer.last_scalar()
    assert (last.start_mark.line, last.value) == (0, "long lines")
    assert text_before(last.end_mark) == "  lines"
    assert composer.position() == (1, 7)


def test_yaml_quotes_by_our_rules_only() -> None:
    class Bare(PlainDumper):
        yaml_implicit_resolvers = {}  # noqa: RUF012

    shared = ["x"]
    text = yaml.dump({"a": "on", "b": "1:30", "c": shared, "d": shared}, Dumper=Bare, default_flow_style=None)
    assert text == "a: on\nb: 1:30\nc: [x]\nd: [x]\n"
    assert "'on'" in yaml.safe_dump({"a": "on"})
