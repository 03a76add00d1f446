"""seqtool from Python: single parts in a custom torch loop."""

import subprocess
import sys

import pytest
import torch

import seqtool
from seqtool.build.assembly import assemble
from seqtool.errors import MisuseError, PluginError, RecipeError, SeqtoolError


def test_make_builds_a_checked_part() -> None:
    scorer = seqtool.make("scorer/additive", 5, 7, hidden_size=3)
    fixed, state = scorer.start(torch.randn(2, 11, 7), torch.ones(2, 11, dtype=torch.bool))
    scores, _ = scorer.score(torch.randn(2, 3, 5), fixed, state)
    assert scores.shape == (2, 3, 11)


def test_attention_in_a_custom_loop() -> None:
    torch.manual_seed(0)
    attention = seqtool.make("attention", 6, 6, scorer={"type": "general"}, normalizer="softmax", heads=2)
    assert isinstance(attention, seqtool.Attention)
    memory, mask = torch.randn(3, 5, 6), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]).bool()
    fixed, state = attention.start(memory, mask)
    context, weights, state = attention(torch.randn(3, 4, 6), fixed, state)
    assert context.shape == (3, 4, 6)
    assert weights.shape == (3, 2, 4, 5)
    torch.testing.assert_close(weights.sum(3)[:2], torch.ones(2, 2, 4))
    assert not weights[2].any()
    assert not context[2].any()


def test_attention_takes_factories_too() -> None:
    attention = seqtool.Attention(
        4,
        4,
        scorer=lambda query, memory: seqtool.make("scorer/dot", query, memory),
        normalizer=lambda query: seqtool.make("normalizer/softmax", query),
    )
    memory, mask = torch.randn(1, 3, 4), torch.ones(1, 3, dtype=torch.bool)
    fixed, state = attention.start(memory, mask)
    query = torch.randn(1, 1, 4)
    context, _, _ = attention(query, fixed, state)
    expected = torch.softmax(query[0] @ memory[0].T, -1) @ memory[0]
    torch.testing.assert_close(context[0], expected)


def test_invalid_arguments_of_make() -> None:
    with pytest.raises(MisuseError, match="kind/name"):
        seqtool.make("additive", 3, 4)
    with pytest.raises((PluginError, RecipeError), match="additive"):
        seqtool.make("scorer/aditive", 3, 4)
    with pytest.raises(RecipeError, match="hidden_size"):
        seqtool.make("scorer/additive", 3, 4, hiden_size=3)
    with pytest.raises(RecipeError, match="equal sizes: the query has 3, the memory 4"):
        seqtool.make("scorer/dot", 3, 4)
    with pytest.raises(RecipeError, match="2 heads do not divide"):
        seqtool.make("attention", 3, 4, scorer="additive", heads=2)


def test_unnormalized_weights_of_unbounded_scores_give_a_warning() -> None:
    with pytest.warns(UserWarning, match="weights may become very large"):
        seqtool.make("attention", 4, 4, scorer="dot", normalizer="exp")
    seqtool.make("attention", 4, 4, scorer="gmm", normalizer="exp")


def test_importing_seqtool_imports_no_torch() -> None:
    code = "import seqtool, sys; dir(seqtool); assert 'torch' not in sys.modules and 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_building_does_not_change_the_global_generator() -> None:
    variant = seqtool.load_recipe("align_60_20").variants["attentive"]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = assemble(variant, seed=5).model.state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(4)
    two = assemble(variant, seed=5).model.state_dict()
    other = assemble(variant, seed=6).model.state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("spec", "sizes", "words"),
    [
        ("cell/gru", (0,), "takes a positive integer as input_size; got 0"),
        ("cell/gru", ("3",), "got '3'"),
        ("cell/gru", (), "takes 1 sizes, input_size; got 0"),
        ("scorer/dot", (3, 3, 3), "takes 2 sizes, query_size, memory_size; got 3"),
        ("attention", (3,), "attention takes 2 sizes"),
        ("task/copy", (3,), "takes 0 sizes, none; got 1"),
    ],
)
def test_invalid_sizes_are_reported(spec: str, sizes: tuple[object, ...], words: str) -> None:
    options = {"cell/gru": {"hidden_size": 3}, "attention": {"scorer": "dot"}, "task/copy": {"length": 3}}
    with pytest.raises(MisuseError, match=words):
        seqtool.make(spec, *sizes, **options.get(spec, {}))


def test_final_sizes_may_be_a_list() -> None:
    decoder = seqtool.make("decoder/plain", 3, 4, [2], 6, cell={"type": "gru", "hidden_size": 2})
    assert decoder.bridge.bridge == "copy"


@pytest.mark.parametrize(
    ("memory", "mask"),
    [((2, 5), (2, 5)), ((2, 5, 6), (5,)), ((2, 5, 6), (1, 5))],
)
def test_attention_refuses_tensors_of_other_shapes(memory: tuple[int, ...], mask: tuple[int, ...]) -> None:
    attention = seqtool.make("attention", 6, 6, scorer="dot")
    with pytest.raises(SeqtoolError, match=r"memory \[B, S, M\] and a bool mask"):
        attention.start(torch.randn(memory), torch.ones(mask, dtype=torch.bool))
    fixed, state = attention.start(torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(SeqtoolError, match="B = 2"):
        attention(torch.randn(1, 1, 6), fixed, state)
    with pytest.raises(SeqtoolError, match="takes memory"):
        attention.start(torch.randn(2, 5, 6), torch.ones(2, 5))


@pytest.mark.parametrize("misuse", [{"seeds": [-1]}, {"overrides": "train.steps=2"}, {"variants": "attentive"}])
def test_invalid_arguments_of_run(misuse: dict[str, object]) -> None:
    with pytest.raises(MisuseError):
        seqtool.run("align_60_20", **misuse)
