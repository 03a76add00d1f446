"""Requirements of parts: unknown names, refused recipes, default losses and metrics.

This module is a plugin too: `test_requirements`.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from registered import names
from torch import Tensor

import seqtool
from seqtool.api import REQUIREMENTS, Batch, Component, Loss, Metric, Scorer, hookimpl
from seqtool.build.assembly import Assembly, assemble
from seqtool.build.check import check
from seqtool.errors import PluginError, RecipeError
from seqtool.recipe import Recipe
from seqtool.registry import Registry, default_registry, discover
from seqtool.testing import ContractViolation, check_metric

ROOT = Path(__file__).parent.parent
RECIPE = """\
seqtool: 1
name: small
task: {{type: {task}}}
model:
  embedding: {embedding}
  encoder: {{type: rnn, cell: {{type: gru, hidden_size: 5}}}}
  decoder: {decoder}
train: {{steps: 1, batch_size: 2{train}}}
"""
PLAIN = "{type: plain, cell: {type: gru, hidden_size: 5}}"
ATTENTIVE = "{type: attend_before, cell: {type: gru, hidden_size: 5}, attention: {scorer: dot}}"
COPY, ADDITION, ADDING = "copy, length: 3", "addition", "adding, length: 11"
ALIGNMENT = names("metric", requires=frozenset({"weights", "alignment"}))
ATTENTION = names("metric", requires=frozenset({"weights"}), without=frozenset({"alignment"}))
SYMBOLS = ["token_accuracy", "sequence_accuracy"]


class Longest(Metric):
    """The mean number of real target symbols."""

    requires = frozenset()
    default = True

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        return torch.tensor([float(batch.target_mask.sum()), float(len(batch))], dtype=torch.float64)


class First(Metric):
    """The mean attention weight of the first position."""

    requires = frozenset({"weights", "symbols"})
    default = True
    predictions = "teacher_forced"

    def weight_sums(self, weights: Tensor, memory_mask: Tensor, batch: Batch) -> Tensor:
        first = weights[:, :, :, 0].mean(1).double().masked_fill(~batch.target_mask, 0)
        return torch.stack([first.sum(1), batch.target_mask.sum(1).double()], 1)


class Misspelt(First):
    requires = frozenset({"weight"})


class Listed(First):
    requires = ("weights",)  # type: ignore[assignment]


class Both(First):
    requires = frozenset({"symbols", "continuous"})


class Guided(Scorer):
    """A scorer that requires gold alignments."""

    requires = frozenset({"alignment"})

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()

    def score(self, query: Tensor, fixed: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        return query @ fixed.transpose(1, 2), state


class PerSequence(Loss):
    """Loss 1 per sequence, counted by sequences."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        count = batch.target_mask.any(1).sum()
        return count * logits.new_ones(()) + 0 * logits.sum(), count


@hookimpl
def seqtool_components() -> Iterable[Component]:
    for name, part in (("longest", Longest), ("first", First), ("misspelt", Misspelt)):
        yield Component("metric", name, part)
    yield Component("scorer", "guided", Guided)
    yield Component("loss", "per_sequence", PerSequence)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover(modules=["test_requirements"])


@pytest.fixture
def load(tmp_path: Path) -> "Loader":
    return Loader(tmp_path / "small.yaml")


class Loader:
    """Writes and loads the small recipe."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(
        self, task: str = COPY, decoder: str = ATTENTIVE, train: str = "", registry: Registry | None = None
    ) -> Recipe:
        embedding = "continuous" if task == ADDING else "one_hot"
        self.path.write_text(RECIPE.format(task=task, embedding=embedding, decoder=decoder, train=train))
        return seqtool.load_recipe(self.path, registry=registry or default_registry())

    def assembly(self, *arguments: str, registry: Registry | None = None) -> Assembly:
        return assemble(self(*arguments, registry=registry).variants["default"], seed=0)


@pytest.mark.parametrize(
    ("task", "decoder", "expected"),
    [
        (COPY, ATTENTIVE, [*SYMBOLS, *ALIGNMENT, *ATTENTION]),
        (COPY, PLAIN, SYMBOLS),
        (ADDITION, ATTENTIVE, [*SYMBOLS, *ATTENTION]),
        (ADDING, ATTENTIVE, ["within", *ATTENTION]),
        (ADDING, PLAIN, ["within"]),
    ],
)
def test_default_metrics_are_those_whose_requirements_are_met(
    load: Loader, task: str, decoder: str, expected: list[str]
) -> None:
    made = load.assembly(task, decoder)
    assert sorted(made.metrics) == sorted(expected)
    assert type(made.loss).__name__ == ("MSE" if task == ADDING else "CrossEntropy")


@pytest.mark.filterwarnings("ignore:.*unknown 'weight'")
def test_the_metrics_of_a_plugin_join_the_defaults(load: Loader, registry: Registry) -> None:
    found = {
        (task, decoder): {"longest", "first"} & set(load.assembly(task, decoder, registry=registry).metrics)
        for task in (COPY, ADDING)
        for decoder in (ATTENTIVE, PLAIN)
    }
    assert found == {
        (COPY, ATTENTIVE): {"longest", "first"},
        (COPY, PLAIN): {"longest"},
        (ADDING, ATTENTIVE): {"longest"},
        (ADDING, PLAIN): {"longest"},
    }


def test_a_default_that_cannot_be_loaded_warns(load: Loader, registry: Registry) -> None:
    with pytest.warns(UserWarning, match="misspelt.* requires the unknown 'weight'"):
        assert "first" in load.assembly(registry=registry).metrics


def test_an_empty_list_of_metrics_disables_them(load: Loader, tmp_path: Path) -> None:
    assert load.assembly(COPY, ATTENTIVE, ", metrics: []").metrics == {}
    options = ", metrics: [], validation_batches: 1, accelerator: cpu"
    seqtool.run(load(COPY, ATTENTIVE, options), out=tmp_path / "run")
    header = (tmp_path / "run/default/seed0/metrics.csv").read_text().partition("\n")[0]
    assert [name for name in header.split(",") if name.startswith("valid_")] == ["valid_loss"]


@pytest.mark.parametrize("name", ["misspelt", "test_requirements:misspelt"])
def test_an_unknown_requirement_is_refused_with_the_nearest_name(registry: Registry, name: str) -> None:
    with pytest.raises(PluginError, match=r"requires the unknown 'weight' \(did you mean 'weights'\?\)"):
        registry.find("metric", name).load()


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (Misspelt, r"requires the unknown 'weight' \(did you mean 'weights'\?\)"),
        (Listed, r"requires is \('weights',\), not a frozenset"),
        (Both, "requires both symbols and continuous values"),
    ],
)
def test_the_contract_suite_refuses_it_too(metric: type[Metric], words: str) -> None:
    with pytest.raises(ContractViolation, match=words):
        check_metric(metric)


@pytest.mark.parametrize("metric", [Longest, First])
def test_the_metrics_here_keep_the_contract(metric: type[Metric]) -> None:
    check_metric(metric)


@pytest.mark.filterwarnings("ignore:.*unknown 'weight'")
def test_a_part_within_the_model_may_require_something(load: Loader, registry: Registry) -> None:
    decoder = ATTENTIVE.replace("dot", "guided")
    check(load(COPY, decoder, registry=registry))
    words = r"model\.decoder\.attention\.scorer: scorer test_requirements:guided requires gold alignments"
    with pytest.raises(RecipeError, match=words) as caught:
        check(load(ADDITION, decoder, registry=registry))
    (problem,) = caught.value.problems
    assert "additive" in problem.allowed
    assert "guided" not in problem.allowed


def test_all_unmet_requirements_are_reported_together(load: Loader) -> None:
    with pytest.raises(RecipeError) as caught:
        check(load(ADDING, PLAIN, ", loss: cross_entropy, metrics: [token_accuracy], search: beam"))
    assert [problem.path for problem in caught.value.problems] == [
        ("train", "loss"), ("train", "metrics", 0), ("train", "search"),
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*unknown 'weight'")
def test_a_sum_averages_each_loss_over_its_own_count_in_any_order(load: Loader, registry: Registry) -> None:
    given, losses = None, ["cross_entropy", "per_sequence"]
    for order in (losses, losses[::-1]):
        factors = [3.0 if name == "per_sequence" else 1.0 for name in order]
        option = f", loss: {{type: sum, losses: [{', '.join(order)}], factors: {factors}}}"
        made = load.assembly("copy, length: 3, ending: eos", PLAIN, option, registry=registry)
        batch = made.task.batch("train", 0, seed=0, rank=0, batch_size=7, device=torch.device("cpu"))
        given = given or made.model(batch)
        total, count = made.loss(*given, batch)
        entropy, tokens = seqtool.make("loss/cross_entropy")(*given, batch)
        assert count == tokens == 28
        torch.testing.assert_close(total / count, entropy / tokens + 3.0)  # the mean of the other loss is 1


def test_the_documentation_lists_all_requirements() -> None:
    text = (ROOT / "docs" / "plugins.md").read_text()
    table = text[text.index("## Requirements") : text.index("## The plugin")]
    assert [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")] == list(REQUIREMENTS)
