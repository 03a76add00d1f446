"""Kernels in C beyond the contract suite: sizes around the vector width, threads, the compiler."""

import copy
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtool.api import Tree, tree
from seqtool.build.kernels import install
from seqtool.registry import default_registry
from seqtool_attention.additive import Additive
from seqtool_cells.gru import GRU
from seqtool_cells.lstm import LSTM
from seqtool_fused import library as fused_library

CELLS = {"lstm": LSTM, "gru": GRU}


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def with_kernels(module: nn.Module) -> nn.Module:
    choices = install(module, "fused", default_registry(), torch.device("cpu"), torch.float32)
    assert all(choice.kernel for choice in choices)
    return module


def unrolled(cell: nn.Module, x: Tensor, mask: Tensor, state: Tree) -> list[Tensor]:
    """Outputs, states, and the gradients of the sum of their squares."""
    x, state = tree.map(lambda leaf: leaf.clone().requires_grad_(), (x, state))
    outputs, last = cell.unroll(x, mask, (), state)
    after = tree.leaves(last)
    total = sum((part**2).sum() for part in (outputs, *after))
    return [outputs, *after, *torch.autograd.grad(total, [x, *tree.leaves(state), *cell.parameters()])]


def random_state(cell: Any, batch: int) -> Tree:
    _, state = cell.start(batch, torch.zeros(1))
    return tree.map(torch.randn_like, state)


def expect_close(found: list[Tensor], wanted: list[Tensor], tolerance: float = 1e-5, floor: float = 1e-6) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        assert float((a.detach().double() - b.detach().double()).abs().max()) <= tolerance * float(
            b.detach().abs().max().clamp(min=floor)
        )


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    ("batch", "steps", "inputs", "size"),
    [(1, 1, 1, 1), (5, 3, 1, 7), (25, 4, 16, 16), (49, 6, 17, 31), (7, 2, 64, 33), (3, 5, 65, 64), (64, 9, 6, 129)],
)
@pytest.mark.parametrize("ragged", [False, True])
def test_cells_of_many_sizes(name: str, batch: int, steps: int, inputs: int, size: int, ragged: bool) -> None:
    torch.manual_seed(batch)
    cell = CELLS[name](inputs, hidden_size=size)
    x, state = torch.randn(batch, steps, inputs), random_state(cell, batch)
    length = torch.randint(0, steps + 1, (batch,)) if ragged else torch.full((batch,), steps)
    mask = torch.arange(steps) < length[:, None]
    wanted = unrolled(copy.deepcopy(cell).double(), x.double(), mask, tree.map(Tensor.double, state))
    expect_close(unrolled(with_kernels(cell), x, mask, state), wanted)


def scored(scorer: Additive, query: Tensor, memory: Tensor) -> list[Tensor]:
    given = [part.clone().requires_grad_() for part in (query, memory)]
    fixed, state = scorer.start(given[1], torch.ones(memory.shape[:2], dtype=torch.bool))
    scores, _ = scorer.score(given[0], fixed, state)
    return [scores, *torch.autograd.grad((scores**2).sum(), [*given, *scorer.parameters()])]


@pytest.mark.parametrize(
    ("batch", "targets", "sources", "size"),
    [(1, 1, 1, 1), (3, 2, 63, 7), (2, 5, 64, 16), (5, 1, 65, 33), (2, 3, 200, 2)],
)
@pytest.mark.parametrize("scale", [1, 30], ids=["small", "saturated"])
def test_additive_scores_of_many_sizes(batch: int, targets: int, sources: int, size: int, scale: float) -> None:
    """With values 30 times as large, e^2q e^2k overflows for some pairs, and the kernel computes tanh itself."""
    torch.manual_seed(size)
    scorer = Additive(4, 6, hidden_size=size)
    query, memory = scale * torch.randn(batch, targets, 4), scale * torch.randn(batch, sources, 6)
    wanted = scored(copy.deepcopy(scorer).double(), query.double(), memory.double())
    expect_close(scored(with_kernels(scorer), query, memory), wanted, 1e-5 * scale, floor=1e-3)


def test_opposite_queries_and_keys_do_not_overflow() -> None:
    scorer = Additive(1, 1, hidden_size=1)
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.copy_(torch.ones_like(parameter))
        scorer.key_map.bias.zero_()
    query, memory = torch.full((1, 1, 1), 200.0), torch.full((1, 1, 1), -200.5)
    scores, *_ = scored(with_kernels(scorer), query, memory)
    assert scores.item() == pytest.approx(-0.46211716, rel=1e-6)  # tanh(-0.5)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", CELLS)
def test_two_threads_are_deterministic(name: str) -> None:
    torch.manual_seed(0)
    cell = with_kernels(CELLS[name](5, hidden_size=9))
    x, mask = torch.randn(31, 7, 5), torch.arange(7) < torch.randint(0, 8, (31, 1))
    state = random_state(cell, 31)
    first = unrolled(cell, x, mask, state)
    for _ in range(5):
        assert all(torch.equal(a, b) for a, b in zip(first, unrolled(cell, x, mask, state), strict=True))
    torch.set_num_threads(1)
    expect_close(unrolled(cell, x, mask, state), first, 1e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(1, 1, 1), (95, 3, 17), (96, 16, 32), (97, 33, 5), (400, 65, 130)]
)
def test_keys_of_many_sizes(two_threads: None, rows: int, inputs: int, outputs: int, threads: int) -> None:
    torch.set_num_threads(threads)
    scorer = Additive(3, inputs, hidden_size=outputs)
    memory, mask = torch.randn(1, rows, inputs), torch.ones(1, rows, dtype=torch.bool)

    def keys(part: Additive, x: Tensor) -> list[Tensor]:
        given = x.clone().requires_grad_()
        (found,), _ = part.start(given, mask)
        return [found, *torch.autograd.grad((found**2).sum(), [given, part.key_map.weight, part.key_map.bias])]

    wanted = keys(copy.deepcopy(scorer).double(), memory.double())
    found = keys(with_kernels(scorer), memory)
    expect_close(found, wanted)
    assert all(torch.equal(a, b) for a, b in zip(found, keys(scorer, memory), strict=True))


def test_backward_twice_through_one_graph() -> None:
    cell = with_kernels(LSTM(3, hidden_size=4))
    x = torch.randn(2, 5, 3, requires_grad=True)
    outputs, _ = cell.unroll(x, torch.ones(2, 5, dtype=torch.bool), *cell.start(2, x))
    first, second = (torch.autograd.grad(outputs.sum(), x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_frozen_weights_get_no_gradient() -> None:
    cell = with_kernels(LSTM(3, hidden_size=4))
    cell.weight_hh.requires_grad_(False)
    x = torch.randn(2, 5, 3)
    outputs, _ = cell.unroll(x, torch.ones(2, 5, dtype=torch.bool), *cell.start(2, x))
    outputs.sum().backward()
    assert cell.weight_hh.grad is None
    assert cell.weight_ih.grad.abs().sum() > 0


ASK = "from seqtool_fused.library import library, unavailable_reason; print(unavailable_reason()); library()"


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        ("no-such-compiler", "no C compiler was found (no-such-compiler)"),
        ("false", "could not compile the library"),
        ("cc 'x", "CC cannot be read"),
    ],
)
def test_a_missing_compiler_is_reported(compiler: str, said: str, tmp_path: Path) -> None:
    done = ask(CC=compiler, XDG_CACHE_HOME=str(tmp_path))
    assert said in done.stdout
    assert said in done.stderr
    assert not list(tmp_path.rglob("*.so"))


def test_compiled_library_is_cached(tmp_path: Path) -> None:
    for _ in range(2):
        done = ask(XDG_CACHE_HOME=str(tmp_path))
        assert (done.returncode, done.stdout.strip()) == (0, "None"), done.stderr
        (kept,) = tmp_path.rglob("*.so")
        written = kept.stat().st_mtime_ns
    assert kept.stat().st_mtime_ns == written
    assert "compiling" not in done.stderr
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_damaged_library_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A truncated library ends the process with a bus error when it is loaded."""
    if fused_library.unavailable_reason():
        pytest.skip("needs a C compiler")
    whole = fused_library._library_path().read_bytes()
    monkeypatch.setenv("SEQTOOL_CACHE", str(tmp_path))
    monkeypatch.setattr(fused_library, "_compile", lambda compiler, cache, name: cache / f"{name}-new.so")
    find = fused_library._library_path.__wrapped__
    name = find().stem.removesuffix("-new")
    path = tmp_path / "compiled" / f"{name}-{hashlib.sha256(whole).hexdigest()[:32]}.so"
    for content, mode in ((b"", 0o700), (whole[: len(whole) // 2], 0o700), (whole[:-1] + b"x", 0o700), (whole, 0o722)):
        path.write_bytes(content)
        path.chmod(mode)
        assert find().name == f"{name}-new.so"
        assert not path.exists()
    path.write_bytes(whole)
    path.chmod(0o700)
    assert find() == path
    path.parent.chmod(0o777)
    with pytest.raises(fused_library.Unavailable, match="other users can write"):
        find()


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "folder for compiled code cannot be created" in ask(XDG_CACHE_HOME=str(tmp_path / "file")).stdout


def ask(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=300,
    )
