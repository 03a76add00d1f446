"""Decoders that copy and losses on attention weights: their requirements, and refused recipes."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

import seqtool
from seqtool.api import Vocabulary
from seqtool.build.assembly import assemble
from seqtool.build.check import check
from seqtool.errors import PartError, RecipeError
from seqtool.recipe import Recipe
from seqtool.testing import STAND_INS, ContractViolation, check_decoder, check_loss, example_options
from seqtool_decoders.pointer import Pointer
from seqtool_training.attention_losses import GuidedAttention

RECIPE = """\
seqtool: 1
name: copying
task: {type: alignment, source_length: 9, target_length: 4, symbols: 3}
model:
  encoder: {type: rnn, cell: {type: gru, hidden_size: 6}}
  decoder: {type: attend_before, cell: {type: gru, hidden_size: 6}, attention: {scorer: additive}}
train: {steps: 100}
"""
POINTER = "model.decoder={type: pointer, cell: {type: gru, hidden_size: 6}, attention: {scorer: additive}}"
WRAPPED = (
    "model.decoder={type: pointer_generator, decoder: "
    "{type: attend_before, cell: {type: gru, hidden_size: 6}, attention: {scorer: additive}}}"
)


def load(folder: Path, *overrides: str) -> Recipe:
    path = folder / "copying.yaml"
    path.write_text(RECIPE)
    return seqtool.load_recipe(path, overrides=list(overrides))


def test_copied_as_maps_equal_symbols() -> None:
    source = Vocabulary(("_", "a", "c", "<s>", "b"), blank=0)
    target = Vocabulary(("a", "b", "_", "</s>", "<s>"), start=4, end=3)
    assert source.copied_as(target) == (-1, 0, -1, -1, 1)


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ({"type": "alignment", "source_length": 5, "target_length": 2, "symbols": 3}, (-1, 0, 1, 2)),
        ({"type": "copy", "length": 3, "symbols": 2, "ending": "eos"}, (0, 1)),
        ({"type": "reverse", "length": 3, "symbols": 2}, (0, 1)),
    ],
)
def test_copy_maps_of_the_tasks(task: dict[str, object], wanted: tuple[int, ...]) -> None:
    name = task.pop("type")
    made = seqtool.make(f"task/{name}", **task)
    assert made.copy_map == wanted
    batch = made.batch("train", 0, seed=0, rank=0, batch_size=7, device=torch.device("cpu"))
    aligned = batch.alignment >= 0
    copied = torch.tensor(made.copy_map)[batch.source].gather(1, batch.alignment.clamp(min=0))
    assert aligned.any()
    assert torch.equal(copied[aligned], batch.target[aligned])


def test_pointer_predicts_the_symbol_it_attends_to(tmp_path: Path) -> None:
    variant = load(tmp_path, POINTER).variants["default"]
    assembly = assemble(variant, seed=0)
    batch = assembly.task.batch("train", 0, seed=0, rank=0, batch_size=5, device=torch.device("cpu"))
    logits, weights = assembly.model(batch)
    wanted = torch.zeros_like(logits)
    for b, t in torch.cartesian_prod(torch.arange(5), torch.arange(4)).tolist():
        for j, symbol in enumerate(batch.source[b].tolist()):
            if symbol:  # 0 is the blank
                wanted[b, t, symbol - 1] += weights[b, 0, t, j]
        wanted[b, t] /= wanted[b, t].sum()
    torch.testing.assert_close(logits.exp(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decoder", [POINTER, WRAPPED])
def test_decoders_that_copy_start_with_the_probability_of_the_gold_symbol(tmp_path: Path, decoder: str) -> None:
    assembly = assemble(load(tmp_path, decoder).variants["default"], seed=0)
    batch = assembly.task.batch("train", 0, seed=0, rank=0, batch_size=5, device=torch.device("cpu"))
    logits, weights = assembly.model(batch)
    total, count = assembly.loss(logits, weights, batch)
    gold = logits.gather(2, batch.target.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(total, -gold[batch.target_mask].sum())
    assert int(count) == 20


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            (POINTER, "task.ending=eos"),
            r"model\.decoder: decoder decoders:pointer can only copy, and '</s>' of the target",
        ),
        (
            (POINTER.replace("additive", "additive, normalizer: exp"),),
            r"weights of Exp do not sum to one",
        ),
        ((WRAPPED.replace("additive", "additive, normalizer: exp"),), r"weights of Exp do not sum to one"),
        (
            ("model.decoder={type: pointer_generator, decoder: "
             "{type: plain, bridge: linear, cell: {type: gru, hidden_size: 6}}}",),
            r"a decoder without attention has no weights to copy by",
        ),
        (
            ("model.decoder={type: pointer_generator, decoder: "
             "{type: pointer, cell: {type: gru, hidden_size: 6}, attention: {scorer: additive}}}",),
            r"Pointer outputs nothing but copies",
        ),
        (
            ("model.decoder={type: plain, cell: {type: gru, hidden_size: 6}}",
             "train.loss={type: sum, losses: [cross_entropy, coverage]}"),
            r"train\.loss\.losses\.1: loss training:coverage requires attention weights, and this decoder",
        ),
        (
            ("model.decoder={type: attend_before, cell: {type: gru, hidden_size: 6}, attention: {scorer: additive}}",
             "task=addition", "train.loss={type: sum, losses: [cross_entropy, supervised_attention]}"),
            r"train\.loss\.losses\.1: loss training:supervised_attention requires gold alignments",
        ),
        (("train.loss={type: sum, losses: [cross_entropy], factors: [1, 2]}",), r"2 factors for 1 losses"),
        (("train.loss={type: sum, losses: []}",), r"losses"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*takes scores as logarithms")
def test_unmet_requirements_of_copying_and_weights_are_refused(
    tmp_path: Path, overrides: tuple[str, ...], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        check(load(tmp_path, *overrides))


def test_a_task_without_copy_map_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied_as = Vocabulary.copied_as
    monkeypatch.setattr(Vocabulary, "copied_as", lambda self, target: None)
    with pytest.raises(RecipeError, match="copies source symbols, and the task does not declare a `copy_map`"):
        check(load(tmp_path, WRAPPED))
    monkeypatch.setattr(Vocabulary, "copied_as", copied_as)
    check(load(tmp_path, WRAPPED, "task.ending=eos"))


class Improper(Pointer):
    """Returns probabilities instead of their logarithms."""

    def readout(self, features: Tensor, weights: Tensor | None, source: Tensor) -> Tensor:
        return super().readout(features, weights, source).exp()


class Secret(Pointer):
    """Does not declare that it copies."""

    requires = frozenset({"symbols"})


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Improper, "logits are not log-probabilities"), (Secret, r"copied source symbols, and requires is \['symbols'\]")],
)
def test_faults_of_copying_are_named(fault: type[Pointer], words: str) -> None:
    options = {"cell": STAND_INS["cell"], "attention": example_options(Pointer)["attention"]}
    with pytest.raises(ContractViolation, match=words):
        check_decoder(partial(fault, **options))


class Demanding(GuidedAttention):
    """Does not declare that it requires weights."""

    requires = frozenset()


def test_a_loss_with_an_undeclared_requirement_is_named() -> None:
    with pytest.raises(ContractViolation, match='does not require "weights"'):
        check_loss(Demanding)


def test_a_shortened_source_cannot_be_copied() -> None:
    decoder = Pointer(3, 4, (), 5, cell=STAND_INS["cell"], attention=example_options(Pointer)["attention"])
    weights, source = torch.full((2, 1, 3, 2), 0.5), torch.zeros(2, 4, dtype=torch.int64)
    with pytest.raises(PartError, match="as long as the source: 2 weights for 4 positions"):
        decoder.readout(torch.zeros(2, 3, decoder.feature_size), weights, source)


def test_losses_add_up_with_their_factors(tmp_path: Path) -> None:
    option = "train.loss={type: sum, losses: [cross_entropy, coverage, guided_attention], factors: [1, 2, 0.5]}"
    assembly = assemble(load(tmp_path, option).variants["default"], seed=0)
    batch = assembly.task.batch("train", 0, seed=0, rank=0, batch_size=5, device=torch.device("cpu"))
    given = (*assembly.model(batch), batch)
    total, count = assembly.loss(*given)
    parts = [seqtool.make(f"loss/{name}")(*given)[0] for name in ("cross_entropy", "coverage", "guided_attention")]
    torch.testing.assert_close(total, parts[0] + 2 * parts[1] + parts[2] / 2)
    assert int(count) == 20


@pytest.mark.parametrize("name", ["guided_attention", "supervised_attention"])
def test_weights_of_a_shorter_memory_cannot_be_guided(name: str) -> None:
    batch = seqtool.make("task/copy", length=4).batch(
        "train", 0, seed=0, rank=0, batch_size=2, device=torch.device("cpu")
    )
    with pytest.raises(PartError, match="needs a memory as long as the source"):
        seqtool.make(f"loss/{name}")(torch.zeros(2, 4, 8), torch.zeros(2, 1, 4, 2), batch)
