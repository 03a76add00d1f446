"""The recurrent attention loops in C compared with their parts in float64, for all supported options."""

import copy
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import seqtool_fused
from seqtool.api import Decoder, Encoded, tree
from seqtool.build.assembly import make
from seqtool.testing.differences import named_leaves
from seqtool.testing.kernel_binding import attach_kernel, record_refusals
from seqtool_fused.attend import AttendAfterKernel, AttendBeforeKernel
from seqtool_fused.loop_arguments import LoopArguments

INPUT, MEMORY, SOURCES, STEPS = 11, 13, 21, 5
Options = Mapping[str, Any]


def decoder(kind: str, cell: str, size: int, scorer: Any, normalizer: str = "softmax", **options: Any) -> Decoder:
    torch.manual_seed(0)
    attention = {"scorer": scorer, "normalizer": normalizer}
    options |= {"attentional_size": 19} if kind == "attend_after" else {}
    cell_options = {"type": cell, "hidden_size": size}
    made: Decoder = make(f"decoder/{kind}", INPUT, MEMORY, (), 7, cell=cell_options, attention=attention, **options)
    return made


def numbers(part: Decoder, mask: Tensor, kernel: bool) -> dict[str, Tensor]:
    """Features, weights, states, and all gradients of their weighted sum."""
    generator = torch.Generator().manual_seed(1)
    like = next(part.parameters())
    rows = len(mask)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(like.dtype)

    x, memory = draw(rows, STEPS, INPUT).requires_grad_(), draw(rows, mask.shape[1], MEMORY).requires_grad_()
    fixed, first = part.start(Encoded(memory, mask, ()))
    first = tree.map(lambda leaf: (leaf + 0.3 * draw(*leaf.shape).abs()).detach().requires_grad_(), first)
    left: list[Any] = []
    if kernel:
        attach_kernel(
            record_refusals((AttendAfterKernel if hasattr(part, "combine") else AttendBeforeKernel)(), left), part
        )
    features, weights, last = part.unroll(x, fixed, first)
    assert not left
    found = {"features": features, "weights": weights, **named_leaves(last, "state")}
    sum((out * draw(*out.shape)).sum() for out in found.values()).backward()
    leaves = {"x": x, "memory": memory, **named_leaves(first, "first")}
    leaves |= {name: leaf for name, leaf in part.named_parameters() if leaf.grad is not None}
    return found | {f"gradient of {name}": leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


def expect_same(part: Decoder, mask: Tensor) -> None:
    kernel = AttendAfterKernel() if hasattr(part, "combine") else AttendBeforeKernel()
    assert kernel.unsupported(part) is None
    wanted, found = numbers(copy.deepcopy(part).double(), mask, False), numbers(part, mask, True)
    assert wanted.keys() == found.keys()
    for name, value in wanted.items():
        error = (found[name].double() - value).abs().max() / value.abs().max().clamp(min=1e-30)
        assert error < 1e-5, f"{name} are off by {float(error):.1e}"


def prefixes() -> Tensor:
    """Rows that are full, partly padded and all padding."""
    return torch.arange(SOURCES) < torch.tensor([SOURCES, 16, 0, 1, 7, 17, 3])[:, None]


SCORERS = {"additive": 23, "general": 23, "dot": MEMORY, "scaled_dot": MEMORY}


@pytest.mark.parametrize("kind", ["attend_before", "attend_after"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("scorer", SCORERS)
def test_scores_of_content(kind: str, cell: str, scorer: str) -> None:
    feeding = {"input_feeding": True} if kind == "attend_after" else {}
    expect_same(decoder(kind, cell, SCORERS[scorer], scorer, **feeding), prefixes())


@pytest.mark.parametrize("variant", ["v0", "v1", "v2", "v2b"])
@pytest.mark.parametrize(("normalizer", "hidden"), [("exp", None), ("softmax", None), ("exp", 29)])
def test_windows(variant: str, normalizer: str, hidden: int | None) -> None:
    scorer = {"type": "gmm", "variant": variant, "components": 3, "hidden_size": hidden}
    for kind, cell in (("attend_before", "lstm"), ("attend_after", "gru")):
        expect_same(decoder(kind, cell, 17, scorer, normalizer), prefixes())


@pytest.mark.parametrize(
    "options",
    [
        {"query": ("input", "output"), "features": ("output", "context")},
        {"query": ("state",), "feed": ("context", "input"), "features": ("context", "input", "output")},
        {"query": ("inner_state", "input"), "feed": ("context",)},
        {"query": ("input",), "feed": ("input",), "features": ("context", "output")},
    ],
)
@pytest.mark.parametrize("scorer", ["additive", "general", {"type": "additive", "hidden_size": 5}])
def test_concatenated_inputs_and_features(options: Options, scorer: Any) -> None:
    expect_same(decoder("attend_before", "lstm", 23, scorer, **options), prefixes())


def test_masks_with_holes() -> None:
    mask = prefixes()
    mask[:, ::3] = False
    mask[0, -1] = True
    for scorer in ("additive", "gmm"):
        expect_same(decoder("attend_before", "gru", 23, scorer), mask)


def test_many_rows_and_threads() -> None:
    """More rows than one block; two threads; equal results of equal calls."""
    mask = torch.arange(SOURCES) < torch.randint(1, SOURCES + 1, (67, 1))
    part = decoder("attend_before", "lstm", 128, "additive")
    torch.set_num_threads(2)
    try:
        first, second = (numbers(copy.deepcopy(part), mask, True) for _ in range(2))
        assert all(torch.equal(first[name], second[name]) for name in first)
        expect_same(part, mask)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("attention", "options", "reason"),
    [
        (None, {"bridge": "copy"}, "no attention"),
        ({"scorer": "general", "heads": 13}, {}, "13 heads"),
        ({"scorer": "cosine"}, {}, "scorer is Cosine"),
        ({"scorer": "general", "normalizer": "sparsemax"}, {}, "normalizer is Sparsemax"),
        ({"scorer": "general"}, {"query": ("state", "output")}, "query contains the same part twice"),
    ],
)
def test_refusals(attention: Options | None, options: Options, reason: str) -> None:
    sizes = (INPUT, 13, (13, 13), 7)
    cell = {"type": "lstm", "hidden_size": 13}
    part = make("decoder/attend_before", *sizes, cell=cell, attention=attention, **options)
    assert reason in (AttendBeforeKernel().unsupported(part) or "")


def test_an_unsupported_cell_is_refused() -> None:
    for cell, attention in itertools.product(("rnn", "min_gru"), ({"scorer": "general"},)):
        sized = {"type": cell, "hidden_size": 13}
        part = make("decoder/attend_before", INPUT, MEMORY, (), 7, cell=sized, attention=attention)
        assert "its cell is" in (AttendBeforeKernel().unsupported(part) or "")


def test_python_and_c_agree_on_the_arguments() -> None:
    header = (Path(seqtool_fused.__file__).parent / "csrc" / "attend.h").read_text()
    body = re.sub(r"/\*.*?\*/", "", header[header.index("typedef struct {") : header.index("} Loop;")], flags=re.DOTALL)
    names = [
        name for line in re.findall(r"(?:int64_t|double|float|uint8_t) ([^;]*);", body) for name in line.split(",")
    ]
    assert [name.strip(" *") for name in names] == [field[0] for field in LoopArguments._fields_]


@pytest.mark.parametrize(("keys", "queries"), [(3, 3), (40, 40), (1, 200)])
def test_large_keys_and_queries(keys: int, queries: int) -> None:
    """Keys and queries, or queries only, for which products of exponentials overflow."""
    part = decoder("attend_before", "lstm", 23, "additive")
    with torch.no_grad():
        part.get_parameter("attention.scorers.0.key_map.weight").mul_(keys)
        part.get_parameter("attention.scorers.0.query_map.weight").mul_(queries)
    expect_same(part, prefixes())
