"""Scorers and normalizers: memory for long sequences, refused arguments, initial states."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from oracle import build
from torch import Tensor

import seqtool
from seqtool.errors import PartError, SeqtoolError
from seqtool_attention import additive_scores as module

MEASURE = """
import resource, sys
import torch
import seqtool

B, S, H = 16, 512, 256
attention = seqtool.make("attention", H, H, scorer=sys.argv[1], normalizer="softmax")
query, memory = (torch.randn(B, S, H, requires_grad=True) for _ in range(2))
small = seqtool.make("attention", 8, 8, scorer=sys.argv[1], normalizer="softmax")
x = torch.randn(2, 3, 8, requires_grad=True)
small(x, *small.start(x, torch.ones(2, 3, dtype=torch.bool)))[0].sum().backward()  # whatever is loaded on first use
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
context, weights, _ = attention(query, *attention.start(memory, torch.ones(B, S, dtype=torch.bool)))
context.square().sum().backward()
assert query.grad.isfinite().all() and memory.grad.abs().sum() > 0
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("scorer", ["additive", "concat"])
def test_long_additive_scores_need_less_than_a_gigabyte(scorer: str) -> None:
    """One tensor `[B, T, S, H]` would take 4 GiB."""
    done = subprocess.run([sys.executable, "-c", MEASURE, scorer], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1000


def compared(largest: int, monkeypatch: pytest.MonkeyPatch, features: bool) -> list[Tensor]:
    """Scores and gradients if at most `largest` numbers are saved for backward."""
    monkeypatch.setattr(module, "MAX_SAVED_ACTIVATIONS", largest)
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 5, 4), (2, 3, 4), (4,), *([(2, 3, 2), (4, 2)] if features else [])]
    given = [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]
    scores = module.additive_scores(*given)
    weights = torch.randn(scores.shape, generator=generator, dtype=torch.float64)
    return [scores, *torch.autograd.grad((scores * weights).sum(), given)]


@pytest.mark.parametrize("features", [False, True])
@pytest.mark.parametrize("largest", [0, 24, 50, 72, 100])
def test_chunked_scores_equal_plain_scores(largest: int, features: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = compared(10**9, monkeypatch, features)
    for one, other in zip(compared(largest, monkeypatch, features), plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


def kept(largest: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """The size of the largest tensor that an additive scorer saves for backward."""
    monkeypatch.setattr(module, "MAX_SAVED_ACTIVATIONS", largest)
    scorer, sizes = build("scorer", "additive", 4, 4), []
    query, memory = (torch.randn(2, length, 4, dtype=torch.float64, requires_grad=True) for length in (50, 30))
    fixed, state = scorer.start(memory, torch.ones(2, 30, dtype=torch.bool))

    def pack(x: Tensor) -> Tensor:
        sizes.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        scorer.score(query, fixed, state)
    return max(sizes)


def test_no_tensor_of_all_pairs_is_saved_above_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = 2 * 50 * 30 * 4
    assert kept(pairs, monkeypatch) == pairs
    assert kept(pairs - 1, monkeypatch) <= 2 * 50 * 30


@pytest.mark.parametrize(("name", "called"), [("dot", "Dot"), ("scaled_dot", "ScaledDot"), ("cosine", "Cosine")])
def test_inner_products_refuse_unequal_sizes_by_name(name: str, called: str) -> None:
    words = f"the inner product of {called} needs equal sizes: the query has 3, the memory 4"
    with pytest.raises(PartError, match=words):
        build("scorer", name, 3, 4)
    with pytest.raises(SeqtoolError, match=f"scorer: {words}"):
        seqtool.make("attention", 3, 4, scorer=name)


@pytest.mark.parametrize("name", ["location", "dense"])
def test_a_source_beyond_max_length_is_refused_by_name(name: str) -> None:
    scorer = build("scorer", name, 3, 4, max_length=5)
    memory = torch.zeros(2, 6, 4, dtype=torch.float64)
    scorer.start(memory[:, :5], torch.ones(2, 5, dtype=torch.bool))
    words = f"a source of 6 positions is longer than the 5 that the {name} scorer was built for"
    with pytest.raises(PartError, match=words) as caught:
        scorer.start(memory, torch.ones(2, 6, dtype=torch.bool))
    assert caught.value.option == "max_length"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cosine_of_zero_vectors_is_finite(dtype: torch.dtype) -> None:
    scorer = build("scorer", "cosine", 3, 3).to(dtype)
    query = torch.tensor([[[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]]], dtype=dtype, requires_grad=True)
    memory = torch.tensor([[[0.0, 0.0, 0.0], [6.0, 0.0, 8.0]]], dtype=dtype, requires_grad=True)
    scores, _ = scorer.score(query, *scorer.start(memory, torch.ones(1, 2, dtype=torch.bool)))
    g = float(scorer.strength.detach())
    assert scores[0].tolist() == [[0.0, 0.0], [0.0, pytest.approx(g, abs=1e-6)]]
    scores.sum().backward()
    assert torch.isfinite(query.grad).all()
    assert torch.isfinite(memory.grad).all()


@pytest.mark.parametrize(
    ("scorer", "wanted"),
    [
        ("location_aware", [[1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
        ("coverage", [[0.0] * 3] * 3),
        ("dynamic_convolution", [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
    ],
)
def test_initial_state_of_scorers_that_use_previous_weights(scorer: str, wanted: list[list[float]]) -> None:
    mask = torch.arange(3) < torch.tensor([[3], [1], [0]])
    _, state = build("scorer", scorer, 3, 4).start(torch.zeros(3, 3, 4, dtype=torch.float64), mask)
    torch.testing.assert_close(state, torch.tensor(wanted, dtype=torch.float64))


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize(
    ("scorer", "normalizer", "mapped"),
    [
        ({"type": "dense", "max_length": 9}, "softmax", []),
        ({"type": "location", "max_length": 9}, "softmax", ["query"]),
        ("feed_forward", "softmax", ["key"]),
        ("feed_forward", "local_p", ["query", "key"]),
        ("feed_forward", {"type": "forward", "agent": True}, ["query", "key"]),
        ("additive", "softmax", ["query", "key"]),
    ],
)
def test_heads_project_only_inputs_that_are_read(scorer: Any, normalizer: Any, mapped: list[str], heads: int) -> None:
    attention = seqtool.make("attention", 4, 6, scorer=scorer, normalizer=normalizer, heads=heads)
    names = {name.partition("_map.")[0] for name, _ in attention.named_parameters() if not name.startswith("scorers")}
    assert {"query", "key"} & names == (set(mapped) if heads > 1 else set())
