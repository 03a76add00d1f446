"""Trees of tensors, and parts whose states are not vectors."""

from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from odd_states import Caching, Counting, LinearAttention, MatrixState, SelfAttentive
from oracle import build
from registered import names

import seqtool
from seqtool.api import Attention, Cell, Encoded, PartError, state_layout, tree
from seqtool.nn.model import Seq2Seq
from seqtool.parts.vocabulary import Vocabulary
from seqtool.testing import STAND_INS, check, check_cell, check_decoder, check_encoder
from seqtool.testing.search import OPEN, SearchContract
from seqtool.testing.stand_ins import StandInEncoder
from seqtool_cells.stack import Stack
from seqtool_cells.variational_dropout import VariationalDropout
from seqtool_cells.zoneout import Zoneout


class Pair(NamedTuple):
    first: Any
    second: Any


def example() -> tuple[Any, ...]:
    """Leaves with one, two and three dimensions and an empty tuple, two levels deep."""
    numbers = torch.arange(3.0)
    matrices = numbers.reshape(3, 1, 1).expand(3, 2, 2) + 20
    return (Pair(numbers, ()), (numbers.reshape(3, 1) + 10, ()), Pair(matrices, ()))


def test_map_keeps_the_structure() -> None:
    found = tree.map(lambda x, y: x + y, example(), example())
    assert type(found[0]) is Pair
    assert found[0].second == ()
    assert found[1][1] == ()
    assert [x.tolist() for x in tree.leaves(found)] == [(2 * x).tolist() for x in tree.leaves(example())]
    assert torch.equal(tree.map(torch.neg, torch.ones(2)), -torch.ones(2))
    assert tree.map(torch.neg, ()) == ()


def test_leaves_rebuild_a_tree() -> None:
    leaves = tree.leaves(example())
    assert [x.dim() for x in leaves] == [1, 2, 3]
    assert [tuple(x.shape) for x in tree.vectors(example())] == [(3, 1), (3, 1), (3, 4)]
    again = tree.rebuild(example(), leaves)
    assert all(one is other for one, other in zip(tree.leaves(again), leaves, strict=True))


def test_rows_are_selected_and_repeated() -> None:
    by_index = tree.leaves(tree.select_rows(example(), torch.tensor([2, 0])))
    by_mask = tree.leaves(tree.select_rows(example(), torch.tensor([True, False, True])))
    repeated = tree.leaves(tree.repeat_rows(example(), 2))
    for leaf, picked, masked, twice in zip(tree.leaves(example()), by_index, by_mask, repeated, strict=True):
        assert torch.equal(picked, torch.stack([leaf[2], leaf[0]]))
        assert torch.equal(masked, torch.stack([leaf[0], leaf[2]]))
        assert torch.equal(twice, torch.stack([leaf[0], leaf[0], leaf[1], leaf[1], leaf[2], leaf[2]]))


def test_where_real_picks_rows() -> None:
    real = torch.tensor([[True], [False], [True]])
    new = tree.map(lambda x: x + 100, example())
    for leaf, found in zip(tree.leaves(example()), tree.leaves(tree.where_real(real, new, example())), strict=True):
        assert torch.equal(found, torch.stack([leaf[0] + 100, leaf[1], leaf[2] + 100]))


def test_where_real_of_a_growing_leaf() -> None:
    real, old, new = torch.tensor([[True], [False]]), torch.ones(2, 1, 2), torch.full((2, 3, 2), 5.0)
    found = tree.where_real(real, new, old)
    assert found[0].tolist() == [[5, 5]] * 3
    assert found[1].tolist() == [[1, 1], [0, 0], [0, 0]]


def test_heads_fold_into_rows_and_back() -> None:
    given = Pair(torch.arange(12.0).reshape(2, 3, 2), (torch.arange(6).reshape(2, 3),))
    folded = tree.fold(given)
    assert [tuple(x.shape) for x in tree.leaves(folded)] == [(6, 2), (6,)]
    for one, other in zip(tree.leaves(tree.unfold(folded, 3)), tree.leaves(given), strict=True):
        assert torch.equal(one, other)


LEAF = torch.ones(1, 1)


@pytest.mark.parametrize(
    ("one", "other", "change"),
    [
        (Pair(LEAF, ()), Pair(LEAF, (LEAF,)), "tuple of 0 became tuple of 1"),
        (Pair(LEAF, ()), (LEAF, ()), "Pair of 2 became tuple of 2"),
        (LEAF, (LEAF,), "Tensor became tuple of 1"),
        ((LEAF,), LEAF, "tuple of 1 became Tensor"),
        ((LEAF, LEAF), (LEAF, ()), "Tensor became tuple of 0"),
    ],
)
def test_another_structure_is_refused(one: Any, other: Any, change: str) -> None:
    words = f"the structure of a state must not change: {change}"
    with pytest.raises(PartError, match=words):
        tree.map(torch.add, one, other)
    with pytest.raises(PartError, match=words):
        tree.where_real(LEAF.bool(), new=other, old=one)


@pytest.mark.parametrize("wrong", [[torch.ones(1)], {"h": torch.ones(1)}, 3, None])
def test_other_objects_than_trees_are_refused(wrong: Any) -> None:
    with pytest.raises(PartError, match=f"a tuple or NamedTuple of trees; got {type(wrong).__name__}"):
        tree.map(torch.neg, (wrong,))
    with pytest.raises(PartError, match=f"a tuple or NamedTuple of trees; got {type(wrong).__name__}"):
        tree.map(torch.add, (torch.ones(1),), (wrong,))
    with pytest.raises(PartError, match=type(wrong).__name__):
        tree.leaves(wrong)


def zoned(input_size: int) -> Cell:
    """Zoneout over a stack of cells with a counter and with a matrix."""
    kinds = iter((Counting, LinearAttention))
    return Zoneout(input_size, cell=partial(Stack, cell=lambda size: next(kinds)(size)), output=0.25, state=0.5)


CELLS: dict[str, Any] = {
    "matrix": LinearAttention,
    "counter": Counting,
    "cache": Caching,
    "zoneout over a stack": zoned,
    "residual stack": lambda size: Stack(size, cell=partial(LinearAttention, hidden_size=size), residual=True),
    "dropout": lambda size: VariationalDropout(size, cell=Counting),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells_of_any_state_keep_the_contract(name: str) -> None:
    check_cell(CELLS[name])


@pytest.mark.parametrize(
    ("name", "sizes", "inner"),
    [
        ("matrix", (5, 25), (25,)),
        ("counter", (5,), ()),
        ("cache", (5,), ()),
        ("zoneout over a stack", (5, 5, 25), (5, 25)),
    ],
)
def test_sizes_are_read_from_start(name: str, sizes: tuple[int, ...], inner: tuple[int, ...]) -> None:
    layout = state_layout(CELLS[name](3))
    assert (layout.sizes, layout.inner_sizes) == (sizes, inner)


class Sliced(LinearAttention):
    """Its features are half of its output."""

    def features(self, state: MatrixState) -> torch.Tensor:
        return state.output[:, :2]


class Doubled(LinearAttention):
    """Its output is not in its state."""

    def output(self, state: MatrixState) -> torch.Tensor:
        return 2 * state.output


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (Sliced, r"cell Sliced: features\(state\) must return leaves of the state"),
        (Doubled, r"cell Doubled: output\(state\) must return a leaf of the state"),
    ],
)
def test_features_and_output_must_be_leaves(cell: type[Cell], words: str) -> None:
    with pytest.raises(PartError, match=words):
        state_layout(cell(3))


def test_zoneout_mixes_every_feature_and_no_counter() -> None:
    """By hand: the output has its own rate; the matrix and the lower layer's h have that of the state."""
    cell = zoned(3).double().eval()
    stack = cell.cell
    x = torch.randn(4, 3, dtype=torch.float64)
    fixed, state = cell.start(4, x)
    _, state = stack.step(x, fixed, state)
    _, new = stack.step(x, fixed, state)
    output, found = cell.step(x, fixed, state)
    (old_h, _), (old_output, old_memory) = state.layers
    (new_h, new_count), (new_output, new_memory) = new.layers
    torch.testing.assert_close(found.layers[0][0], 0.5 * old_h + 0.5 * new_h)
    assert torch.equal(found.layers[0][1], new_count)
    torch.testing.assert_close(found.layers[1], MatrixState(output, 0.5 * old_memory + 0.5 * new_memory))
    torch.testing.assert_close(output, 0.25 * old_output + 0.75 * new_output)


@pytest.mark.parametrize("name", ["matrix", "counter", "cache", "zoneout over a stack"])
def test_encoders_take_cells_of_any_state(name: str) -> None:
    check_encoder(lambda size: build("encoder", "rnn", size, cell=CELLS[name], bidirectional=True).float())


DECODER_RULES = ("shapes", "rows", "batched_trees", "unroll_is_steps", "unroll_continues", "training_mode")


def attention(query_size: int, memory_size: int) -> Attention:
    return Attention(query_size, memory_size, scorer=STAND_INS["scorer"], normalizer=STAND_INS["normalizer"])


@pytest.mark.parametrize("name", ["matrix", "counter", "zoneout over a stack"])
@pytest.mark.parametrize("bridge", ["copy", "linear"])
def test_decoders_and_bridges_take_cells_of_any_state(name: str, bridge: str) -> None:
    sizes = state_layout(CELLS[name](3)).sizes
    part = partial(
        build, "decoder", "attend_before",
        cell=CELLS[name], attention=attention, query=("state", "input"), bridge=bridge,
        readout=STAND_INS["readout"],
    )  # fmt: skip
    check("decoder", lambda *given: part(*given).float(), sizes=(11, 13, sizes, 17), rules=DECODER_RULES)


def test_bridge_copies_a_matrix_state() -> None:
    decoder = build(
        "decoder", "plain", 3, 4, (5, 25), 7, cell=LinearAttention, bridge="copy", readout=STAND_INS["readout"]
    )
    final = torch.randn(2, 5, dtype=torch.float64), torch.randn(2, 25, dtype=torch.float64)
    memory, mask = torch.randn(2, 3, 4, dtype=torch.float64), torch.ones(2, 3, dtype=torch.bool)
    _, state = decoder.start(Encoded(memory, mask, final))
    assert torch.equal(state.output, final[0])
    assert torch.equal(state.memory, final[1].reshape(2, 5, 5))


def test_a_decoder_with_a_cache_keeps_the_contract() -> None:
    check_decoder(SelfAttentive)


class CachedSearch(SearchContract):
    """Searches with a decoder whose cache grows."""

    def model(self, vocabulary: Vocabulary, *, attention: bool = True) -> Seq2Seq:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            embeddings = (STAND_INS["embedding"](OPEN), STAND_INS["embedding"](vocabulary))
            encoder = StandInEncoder(11)
            decoder = SelfAttentive(11, encoder.memory_size, encoder.final_sizes, vocabulary.num_outputs)
        model = Seq2Seq(*embeddings, encoder, decoder, vocabulary).double().eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False).mul_(2)
        return model


@pytest.mark.parametrize("search", names("search"))
def test_searches_select_rows_of_a_cache(search: str) -> None:
    """Scores and weights of every hypothesis equal those of feeding it to the model."""
    rules = ("lengths", "ends", "scores_are_log_probabilities", "weights_of_the_model", "rows")
    options = {"beam": {"size": 3, "best": 3}, "sample": {"samples": 3}}.get(search, {})
    CachedSearch(lambda: seqtool.make(f"search/{search}", **options)).check(rules)
