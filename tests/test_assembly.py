"""The objects of a training are built once, with initial parameters that depend only on the seed."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

import seqtool
from seqtool.build.assembly import Assembly, assemble
from seqtool.build.check import check
from seqtool.launch.plan import plan
from seqtool.nn.model import Seq2Seq
from seqtool.parts.task import Task
from seqtool.randomness import derive
from seqtool.recipe import Variant, load_recipe

RECIPE = """\
seqtool: 1
name: small
seeds: [3]
task: {type: copy, length: 4}
model:
  encoder: {type: rnn, cell: {type: gru, hidden_size: 6}}
  decoder: {type: attend_before, cell: {type: lstm, hidden_size: 5}, attention: {scorer: additive}}
train:
  steps: 4
  batch_size: 4
  validation_batches: 1
  validate_every: 2
  accelerator: cpu
  optimizer: {type: adam, lr: 0.01}
  schedule: {type: linear, end: 0.5}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The number of constructions of each object of a training."""
    counts: Counter[str] = Counter()

    def count(owner: type, name: str) -> None:
        original: Any = owner.__init__

        def counted(self: Any, *arguments: Any, **options: Any) -> None:
            original(self, *arguments, **options)
            where = getattr(next(self.parameters(), None), "device", None) if isinstance(self, Seq2Seq) else None
            counts[f"{name} on the meta device" if where == torch.device("meta") else name] += 1

        monkeypatch.setattr(owner, "__init__", counted)

    for owner, name in (
        (Seq2Seq, "model"), (torch.optim.Optimizer, "optimizer"), (pl.Trainer, "trainer"), (Assembly, "assembly"),
    ):  # fmt: skip
        count(owner, name)
    prepare = Task.prepare

    def prepared(self: Task, saved: Any = None) -> None:
        prepare(self, saved)
        counts["task"] += 1

    monkeypatch.setattr(Task, "prepare", prepared)
    return counts


ONCE = {"model": 1, "model on the meta device": 1, "optimizer": 1, "trainer": 1, "assembly": 1, "task": 1}


def test_a_run_of_one_seed_builds_everything_once(recipe: Path, tmp_path: Path, built: Counter[str]) -> None:
    seqtool.run(recipe, out=tmp_path / "run")
    assert built == ONCE


def test_each_further_seed_adds_one_of_each_and_no_task(recipe: Path, tmp_path: Path, built: Counter[str]) -> None:
    seqtool.run(recipe, out=tmp_path / "run", seeds=[3, 4, 5])
    further = {"model": 2, "optimizer": 2, "trainer": 2, "assembly": 2}
    assert built == Counter(ONCE) + Counter(further)


def test_a_resumed_run_builds_everything_once_and_checks_no_shapes(
    recipe: Path, tmp_path: Path, built: Counter[str]
) -> None:
    seqtool.run(recipe, out=tmp_path / "run")
    (tmp_path / "run/default/seed3/result.json").unlink()
    built.clear()
    seqtool.run(resume=tmp_path / "run")
    assert built["model on the meta device"] == 0
    assert built["assembly"] == built["model"] == built["optimizer"] == 1
    assert built["task"] == 1


def test_what_was_checked_is_what_is_trained(recipe: Path) -> None:
    planned = plan(recipe)
    prepared = planned.prepared.take("default", 3)
    assert prepared is not None
    assert prepared.assembly.task is planned.tasks.of(planned.variants["default"])
    assert prepared.assembly.model.training, "the trial of two examples restores the mode"
    assert planned.prepared.take("default", 3) is None, "an assembly is trained only once"
    parameters = [group["params"] for group in prepared.assembly.optimizer.param_groups]
    assert [id(one) for held in parameters for one in held] == [id(one) for one in prepared.assembly.model.parameters()]
    assert prepared.assembly.options.label == "default, seed 3"
    assert not hasattr(prepared.assembly.options, "optimizer"), "plain values only"


def test_the_trial_does_not_change_what_is_trained(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    checked = check(loaded)["default"]
    assert digest(checked.model) == digest(assemble(loaded.variants["default"], seed=3).model)


def test_only_as_many_models_are_kept_as_fit(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = RECIPE + "variants: {a: {}, b: {train: {steps: 2}}, c: {train: {steps: 3}}}\n"
    recipe.write_text(text)
    loaded = load_recipe(recipe)
    size = sum(one.numel() for one in assemble(loaded.variants["a"], seed=3).model.parameters())
    monkeypatch.setattr("seqtool.build.check.MAX_TRIED_PARAMETERS", 2 * size)
    assert list(check(loaded)) == ["a", "b"]
    monkeypatch.setattr("seqtool.build.check.MAX_TRIED_PARAMETERS", size - 1)
    assert check(loaded) == {}, "larger models are built on the meta device"


def digest(model: torch.nn.Module) -> str:
    found = hashlib.sha256()
    for name, value in model.state_dict().items():
        found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode() + value.numpy().tobytes())
    return found.hexdigest()


def by_hand(variant: Variant, seed: int) -> str:
    """The parameters that the parts draw in order from the global generator, seeded once."""
    task = variant.task()
    task.prepare()
    with torch.random.fork_rng([]):
        torch.manual_seed(derive(seed, "parameters"))
        source = variant.embedding(task.source_vocabulary)
        target = variant.target_embedding(task.target_vocabulary)
        encoder = variant.encoder(source.output_size)
        sizes = (target.output_size, encoder.memory_size, encoder.final_sizes, task.target_vocabulary.num_outputs)
        decoder = variant.decoder(*sizes)
    parts = {"source_embedding": source, "target_embedding": target, "encoder": encoder, "decoder": decoder}
    return digest(torch.nn.ModuleDict(parts))


@pytest.mark.parametrize("name", ["align_60_20", "text_pairs"])
def test_parameters_start_as_a_function_of_the_seed_alone(name: str) -> None:
    variant = next(iter(load_recipe(name).variants.values()))
    torch.manual_seed(99)
    before = torch.get_rng_state()
    found = {seed: digest(assemble(variant, seed).model) for seed in (0, 7)}
    assert torch.equal(before, torch.get_rng_state())
    assert found == {seed: by_hand(variant, seed) for seed in (0, 7)}
    assert found[0] != found[7]
