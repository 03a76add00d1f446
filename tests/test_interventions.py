"""Interventions compared with plain loops: in every decoder, step by step, in parallel, and in searches."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from attention_fakes import Bilinear, LocationAware
from torch import Tensor

import seqtool
from seqtool import equations as eq
from seqtool.api import Batch
from seqtool.build.assembly import assemble
from seqtool.build.kernels import install
from seqtool.errors import PartError
from seqtool.inference.interventions import Delayed, Gold, HeadOff, Shuffled, TopOne, Uniform
from seqtool.nn.attention import Attention, intervened
from seqtool.nn.model import Seq2Seq
from seqtool.parts.intervention import Intervention
from seqtool.parts.tree import Tree
from seqtool.registry import default_registry
from seqtool.testing import STAND_INS
from seqtool_attention.exp import Exp
from seqtool_attention.gmm import GMM

LENGTHS = (7, 1, 0, 4, 6)
BATCH, SOURCE, STEPS, QUERY, MEMORY = 5, 7, 3, 6, 4
ALIGNMENT = torch.tensor([[6, 0, -1], [0, -1, 0], [-1, -1, -1], [3, 1, 2], [-1, 5, 5]])
ALL: dict[str, Callable[[], Intervention]] = {
    "gold": lambda: Gold(ALIGNMENT, SOURCE),
    "uniform": Uniform,
    "shuffled": lambda: Shuffled(5),
    "previous": lambda: Delayed(1),
    "delayed": lambda: Delayed(2),
    "top_1": TopOne,
    "head_off": lambda: HeadOff(0),
}


class Recorder(Intervention):
    """Records its inputs, and returns constant weights."""

    def __init__(self) -> None:
        self.own: list[Tensor] = []

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        self.own.append(weights)
        return Uniform().override(weights, mask, fixed, state)


class Everywhere(Intervention):
    """Returns NaN at padding."""

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return torch.where(mask, torch.ones_like(weights), torch.full_like(weights, torch.nan)), state


def build(*, scorer: Any = Bilinear, normalizer: Any = STAND_INS["normalizer"], heads: int = 1) -> Attention:
    torch.manual_seed(0)
    return Attention(QUERY, MEMORY, scorer=scorer, normalizer=normalizer, heads=heads).double()


def given() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(BATCH, STEPS, QUERY, generator=generator, dtype=torch.float64)
    memory = torch.randn(BATCH, SOURCE, MEMORY, generator=generator, dtype=torch.float64)
    return query, memory, torch.arange(SOURCE) < torch.tensor(LENGTHS)[:, None]


def looked(attention: Attention, intervention: Intervention | None) -> tuple[Tensor, Tensor]:
    """`(context [B, T, M], weights [B, N, T, S])`."""
    query, memory, mask = given()
    if intervention is None:
        return attention(query, *attention.start(memory, mask))[:2]
    with intervened(attention, intervention):
        return attention(query, *attention.start(memory, mask))[:2]


def plainly(name: str, own: list[list[float]], row: int, step: int, length: int) -> list[float]:
    """The expected weights of a step, from the model's own weights at all steps `[T][length]`."""
    now = own[step]
    if name == "uniform":
        return [sum(now) / length for _ in now]
    if name == "gold" and ALIGNMENT[row, step] >= 0:
        return [sum(now) if j == int(ALIGNMENT[row, step]) else 0.0 for j in range(length)]
    if name == "top_1":
        return [sum(now) * (weight == max(now)) for weight in now]
    if name in ("previous", "delayed"):
        return own[max(0, step - {"previous": 1, "delayed": 2}[name])]
    return [0.0] * length if name == "head_off" else now


@pytest.mark.parametrize("normalizer", [STAND_INS["normalizer"], Exp])
@pytest.mark.parametrize("name", [name for name in ALL if name != "shuffled"])
@pytest.mark.filterwarnings("ignore:.*takes scores as logarithms")
def test_each_intervention_equals_a_plain_loop(name: str, normalizer: Any) -> None:
    attention = build(normalizer=normalizer)
    _, own = looked(attention, None)
    context, weights = looked(attention, ALL[name]())
    memory = given()[1].tolist()
    for row, length in enumerate(LENGTHS):
        before = [own[row, 0, step, :length].tolist() for step in range(STEPS)]
        for step in range(STEPS):
            wanted = plainly(name, before, row, step, length)
            assert weights[row, 0, step].tolist() == pytest.approx(wanted + [0.0] * (SOURCE - length))
            found = [sum(wanted[j] * memory[row][j][m] for j in range(length)) for m in range(MEMORY)]
            assert context[row, step].tolist() == pytest.approx(found)


@pytest.mark.parametrize("heads", [1, 2])
def test_shuffled_uses_one_permutation_at_every_step(heads: int) -> None:
    attention = build(heads=heads)
    _, own = looked(attention, None)
    _, weights = looked(attention, Shuffled(5))
    _, again = looked(attention, Shuffled(5))
    _, other = looked(attention, Shuffled(6))
    assert torch.equal(weights, again)
    assert not torch.equal(weights, other)
    assert not torch.allclose(weights, own)
    for row, length in enumerate(LENGTHS):
        for head in range(heads):
            before, after = own[row, head, :, :length].T.tolist(), weights[row, head, :, :length].T.tolist()
            assert sorted(before) == sorted(after), "columns were misaligned"


def test_delayed_by_zero_keeps_the_models_own_weights() -> None:
    for heads in (1, 2):
        for found, wanted in zip(looked(build(heads=heads), Delayed(0)), looked(build(heads=heads), None), strict=True):
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("head", [0, 1])
def test_head_off_sets_its_context_to_zero(head: int) -> None:
    attention = build(heads=2)
    found, weights = looked(attention, HeadOff(head))
    _, own = looked(attention, None)
    half = slice(head * MEMORY // 2, (head + 1) * MEMORY // 2)

    def silence(module: Any, arguments: tuple[Tensor]) -> Tensor:
        context = arguments[0].clone()
        context[..., half] = 0
        return context

    handle = attention.context_map.register_forward_pre_hook(silence)
    wanted, _ = looked(attention, None)
    handle.remove()
    torch.testing.assert_close(found, wanted)
    assert not weights[:, head].any()
    torch.testing.assert_close(weights[:, 1 - head], own[:, 1 - head])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("heads", [1, 2])
def test_padding_and_rows_without_real_positions_get_no_weight(name: str, heads: int) -> None:
    for intervention in (ALL[name](), Everywhere()):
        context, weights = looked(build(heads=heads), intervention)
        assert not weights.masked_select(~given()[2][:, None, None]).any()
        assert context.isfinite().all()
        assert not weights[2].any()


def test_scorers_observe_the_replaced_weights() -> None:
    attention, recorder = build(scorer=LocationAware), Recorder()
    looked(attention, recorder)
    query, memory, _ = given()
    scorer: Any = attention.scorers[0]
    for row, length in enumerate(LENGTHS):
        h = memory[row, :length].tolist()
        for step, s in enumerate(query[row].tolist()):
            scores = eq.scorer.general(s, h, w=scorer.map.weight.tolist())
            wanted = eq.normalizer.softmax([score + scorer.gain.item() / length for score in scores])
            assert recorder.own[step][row, :length].tolist() == pytest.approx(wanted)


def test_a_moving_window_is_not_changed() -> None:
    attention, recorder = build(scorer=partial(GMM, components=2)), Recorder()
    looked(attention, recorder)
    _, own = looked(attention, None)
    torch.testing.assert_close(torch.stack(recorder.own, 1), own[:, 0])


def test_intervention_is_removed_afterwards() -> None:
    attention = build(heads=2)
    before = looked(attention, None)
    with intervened(attention, Uniform()):
        with intervened(attention, Delayed(2)):
            assert len(attention.start(*given()[1:])[1].intervention) == 2
        assert isinstance(attention.intervention, Uniform)
    with pytest.raises(PartError, match="memory positions"), intervened(attention, Gold(ALIGNMENT, 14)):
        attention.start(*given()[1:])
    assert attention.intervention is None
    assert [side.intervention for side in attention.start(*given()[1:])] == [(), ()]
    assert all(torch.equal(a, b) for a, b in zip(before, looked(attention, None), strict=True))


def test_a_model_without_attention_is_refused() -> None:
    with pytest.raises(PartError, match="Linear has no attention"), intervened(torch.nn.Linear(2, 2), Uniform()):
        pass


def test_gold_requires_one_position_per_source_symbol() -> None:
    with pytest.raises(PartError, match="returns 7 memory positions for 14 source symbols"):
        looked(build(), Gold(ALIGNMENT, 14))


RECIPE = """\
seqtool: 1
name: forced
task: {type: alignment, source_length: 9, target_length: 4, min_source_length: 6, min_target_length: 2, symbols: 3}
model:
  embedding: {type: learned, embedding_size: 6}
  encoder: {type: rnn, cell: {type: gru, hidden_size: 6}}
  decoder: {type: attend_before, cell: {type: gru, hidden_size: 6}, attention: *a}
train: {steps: 100}
variants:
  attend_before: {}
  attend_after: {model: {decoder: {type: attend_after, cell: {type: gru, hidden_size: 6}, attention: *a,
                                   attentional_size: 5}}}
  fed: {model: {decoder: {type: attend_after, cell: {type: gru, hidden_size: 6}, attention: *a,
                          attentional_size: 5, input_feeding: true}}}
  attend_inside: {model: {decoder: {type: attend_inside, cell: {type: gru, hidden_size: 6}, attention: *a}}}
  attend_only: {model: {decoder: {type: attend_only, attention: *a}}}
  pointer: {model: {decoder: {type: pointer, cell: {type: gru, hidden_size: 6}, attention: *a}}}
  pointer_generator: {model: {decoder: {type: pointer_generator, decoder: {
    type: attend_after, cell: {type: gru, hidden_size: 6}, attention: *a, attentional_size: 5}}}}
  looks_back: {model: {decoder: {attention: {scorer: {type: location_aware, radius: 2}}}}}
  recurs: {model: {decoder: {attention: {normalizer: forward}}}}
"""
VARIANTS = ("attend_before", "attend_after", "fed", "attend_inside", "attend_only", "pointer", "pointer_generator")


@pytest.fixture(params=[*VARIANTS, "looks_back", "recurs"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(folder: Path, variant: str, heads: int) -> tuple[Seq2Seq, Batch]:
    path = folder / "forced.yaml"
    path.write_text(RECIPE.replace("*a", f"{{scorer: additive, heads: {heads}}}"))
    assembly = assemble(seqtool.load_recipe(path).variants[variant], seed=0)
    batch = assembly.task.batch("valid", 0, seed=0, rank=0, batch_size=5, device=torch.device("cpu"))
    for parameter in assembly.model.parameters():
        parameter.data.mul_(2)  # makes the output depend on attention
    return assembly.model.double().eval(), batch


def of_batch(name: str, batch: Batch) -> Intervention:
    return Gold(batch.alignment, batch.source.shape[1]) if name == "gold" else ALL[name]()


@pytest.mark.parametrize("heads", [1, 2])
def test_interventions_in_every_decoder(tmp_path: Path, variant: str, heads: int) -> None:
    model, batch = made(tmp_path, variant, heads)
    with torch.no_grad():
        own, own_weights = model(batch)
        assert own_weights is not None
        with intervened(model.decoder, Delayed(0)):
            again, _ = model(batch)
        torch.testing.assert_close(again, own)
        for name in ALL:
            with intervened(model.decoder, of_batch(name, batch)):
                logits, weights = model(batch)
                inputs = torch.cat(
                    [torch.full_like(batch.target[:, :1], model.target_vocabulary.start), batch.target[:, :-1]], 1
                )
                fixed, state = model.start(batch.source, batch.source_mask)
                for step, ids in enumerate(inputs.unbind(1)):
                    stepped, step_weights, state = model.step(ids, fixed, state)
                    torch.testing.assert_close(stepped, logits[:, step])
                    torch.testing.assert_close(step_weights, weights[:, :, step])
            assert not torch.allclose(logits, own), f"{name} changes what is written"
            if name == "gold":
                row, step = (batch.alignment >= 0).nonzero(as_tuple=True)
                there = weights[row, :, step, batch.alignment[row, step]]
                torch.testing.assert_close(there, weights[row, :, step].sum(-1))


@pytest.mark.parametrize("decoder", ["attend_before", "attend_after", "fed"])
def test_kernels_refuse_calls_with_an_intervention(tmp_path: Path, decoder: str) -> None:
    model, batch = made(tmp_path, decoder, 1)
    model.float()
    taken = copy.deepcopy(model)
    install(taken, "auto", default_registry(), torch.device("cpu"), torch.float32)
    assert taken.decoder.kernels["unroll"]
    with torch.no_grad():
        for name in ALL:
            with intervened(model.decoder, of_batch(name, batch)):
                wanted = model(batch)
            with intervened(taken.decoder, of_batch(name, batch)):
                found = taken(batch)
            torch.testing.assert_close(found[:2], wanted[:2])
            assert not torch.allclose(found[0], taken(batch)[0]), f"{name} changes what is written"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("search", "options"), [("greedy", {}), ("beam", {"size": 3, "best": 3})])
def test_searches_select_the_state_of_the_intervention(
    tmp_path: Path, variant: str, name: str, search: str, options: dict[str, Any]
) -> None:
    """Each hypothesis has the score and weights that result from feeding its symbols to the model."""
    model, batch = made(tmp_path, variant, 2)
    with torch.no_grad(), intervened(model.decoder, of_batch(name, batch)):
        found = seqtool.make(f"search/{search}", **options).search(
            model, batch.source, batch.source_mask, batch.target.shape[1]
        )
        assert found.weights is not None
        for k in range(found.ids.shape[1]):
            fixed, state = model.start(batch.source, batch.source_mask)
            score = torch.zeros(len(batch), dtype=torch.float64)
            ids = torch.full_like(batch.source[:, 0], model.target_vocabulary.start)
            for step in range(found.ids.shape[2]):
                logits, weights, state = model.step(ids, fixed, state)
                ids = found.ids[:, k, step]
                score += logits.log_softmax(-1).gather(1, ids[:, None]).squeeze(1)
                torch.testing.assert_close(weights, found.weights[:, k, :, step])
            torch.testing.assert_close(score, found.scores[:, k].double(), rtol=1e-5, atol=1e-5)


def test_uniform_equals_a_model_with_constant_scores(tmp_path: Path) -> None:
    for variant in VARIANTS:
        model, batch = made(tmp_path, variant, 2)
        with torch.no_grad():
            with intervened(model.decoder, Uniform()):
                found, _ = model(batch)
            for part in model.modules():
                if isinstance(part, Attention):
                    part.scorers[0].vector.weight.zero_()  # type: ignore[union-attr, operator]
            wanted, _ = model(batch)
        torch.testing.assert_close(found, wanted)


def test_gold_context_is_the_memory_at_the_gold_position(tmp_path: Path) -> None:
    model, batch = made(tmp_path, "attend_before", 1)
    decoder: Any = model.decoder
    with torch.no_grad():
        with intervened(decoder, of_batch("gold", batch)):
            found, _ = model(batch)
        memory = model.encoder(model.source_embedding(batch.source), batch.source_mask).memory
        embedded = model.target_embedding(batch.target)
        start = model.target_embedding(torch.tensor([[model.target_vocabulary.start]]))[0, 0]
        for row in range(len(batch)):
            fixed, state = decoder.cell.start(1, memory)
            for step in range(int(batch.target_mask[row].sum())):
                context = memory[row, int(batch.alignment[row, step])]
                before = start if step == 0 else embedded[row, step - 1]
                output, state = decoder.cell.step(torch.cat([before, context])[None], fixed, state)
                torch.testing.assert_close(found[row, step], decoder.readout_layer(output)[0])
