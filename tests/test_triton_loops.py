"""The Triton loops compared with their parts in float64: on CUDA, or slowly in Triton's interpreter on the CPU."""

import copy
import itertools
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from seqtool.api import Attention, Decoder, Encoded, tree
from seqtool.build.assembly import make
from seqtool.build.kernels import install
from seqtool.registry import default_registry
from seqtool.testing import check
from seqtool.testing.differences import named_leaves
from seqtool.testing.kernel_binding import attach_kernel, record_refusals
from seqtool_triton.small import AttendAfterKernel, AttendBeforeKernel

pytest.importorskip("triton", reason="triton is not installed")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
INPUT, MEMORY, SOURCES, STEPS = 3, 5, 6, 2
LENGTHS = (4, 0)
Options = Mapping[str, Any]


def decoder(kind: str, cell: str, size: int, scorer: Any, normalizer: str = "softmax", **options: Any) -> Decoder:
    torch.manual_seed(0)
    attention = {"scorer": scorer, "normalizer": normalizer}
    if kind == "attend_after":
        options = {"attentional_size": 4, "input_feeding": True, **options}
    cell_options = {"type": cell, "hidden_size": size}
    made: Decoder = make(f"decoder/{kind}", INPUT, MEMORY, (), 7, cell=cell_options, attention=attention, **options)
    return made


def kernel_of(part: Decoder) -> Any:
    return AttendAfterKernel() if hasattr(part, "combine") else AttendBeforeKernel()


def numbers(part: Decoder, mask: Tensor, kernel: Any, steps: int = STEPS) -> dict[str, Tensor]:
    """Features, weights, states, and all gradients of their weighted sum."""
    generator, like = torch.Generator().manual_seed(1), next(part.parameters())

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(like.device, like.dtype)

    x, memory = draw(len(mask), steps, INPUT).requires_grad_(), draw(*mask.shape, MEMORY).requires_grad_()
    fixed, first = part.start(Encoded(memory, mask.to(like.device), ()))
    first = tree.map(lambda leaf: (leaf + 0.3 * draw(*leaf.shape).abs()).detach().requires_grad_(), first)
    features, weights, last = (attach_kernel(kernel, part) if kernel else part).unroll(x, fixed, first)
    found = {"features": features, "weights": weights, **named_leaves(last, "state")}
    sum(((out * draw(*out.shape)).sum() for out in found.values()), like.new_zeros(())).backward()
    leaves = {"x": x, "memory": memory, **named_leaves(first, "first")}
    leaves |= dict(part.named_parameters())
    return found | {f"gradient of {name}": leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


def expect_same(part: Decoder, mask: Tensor | None = None, steps: int = STEPS) -> None:
    left: list[Any] = []
    kernel = record_refusals(kernel_of(part), left)
    assert kernel.unsupported(part) is None
    mask = torch.arange(SOURCES) < torch.tensor(LENGTHS)[:, None] if mask is None else mask
    wanted = numbers(copy.deepcopy(part).double(), mask, None, steps)
    found = numbers(part.to(DEVICE), mask, kernel, steps)
    assert wanted.keys() <= found.keys()
    assert not left
    for name, value in wanted.items():
        error = (found[name].cpu().double() - value).abs().max() / value.abs().max().clamp(min=1e-30)
        assert error < 1e-5, f"{name} are off by {float(error):.1e}"


@pytest.mark.parametrize(
    ("kind", "cell", "scorer", "size"),
    [
        *itertools.product(("attend_before", "attend_after"), ("lstm", "gru"), ("additive",), (7,)),
        ("attend_before", "lstm", "dot", MEMORY),
        ("attend_before", "gru", "scaled_dot", MEMORY),
        ("attend_after", "lstm", "general", 7),
    ],
)
def test_scores_of_content(kind: str, cell: str, scorer: str, size: int) -> None:
    expect_same(decoder(kind, cell, size, scorer))


@pytest.mark.parametrize(("variant", "normalizer"), [("v0", "exp"), ("v1", "softmax"), ("v2", "exp")])
@pytest.mark.parametrize(("kind", "cell"), [("attend_before", "lstm"), ("attend_after", "gru")])
def test_windows(kind: str, cell: str, variant: str, normalizer: str) -> None:
    expect_same(decoder(kind, cell, 7, {"type": "gmm", "variant": variant, "components": 3}, normalizer))


@pytest.mark.parametrize(
    ("scorer", "options"),
    [
        ("gmm", {"query": ("output", "input")}),
        ("additive", {"query": ("input", "output"), "features": ("output", "context")}),
        ({"type": "additive", "hidden_size": 9}, {"feed": ("context", "input"), "features": ("context", "input")}),
        ("general", {"feed": ("context",)}),
    ],
)
def test_concatenated_inputs_and_features(scorer: Any, options: Options) -> None:
    expect_same(decoder("attend_before", "gru", 7, scorer, "exp" if scorer == "gmm" else "softmax", **options))


def test_masks_with_holes_and_a_single_step() -> None:
    mask = torch.tensor([[False, True, False, True, True, False], [True] * 6])
    expect_same(decoder("attend_before", "lstm", 7, "additive"), mask, steps=1)


def test_huge_scores() -> None:
    """Exponents at their limits and Gaussians of minimal width are clamped, as in the reference."""
    part = decoder("attend_before", "lstm", 7, {"type": "gmm", "variant": "v1"}, "exp")
    with torch.no_grad():
        part.get_parameter("attention.scorers.0.map.bias").copy_(torch.tensor([1.0, 2, 3, -9, 0.3, -2, -20, 16, 2]))
    expect_same(part)


@pytest.mark.parametrize(
    "rule",
    ["separate_gradients", "same_without_gradients", "double_backward", "defers_to_reference", "replaced_modules"],
)
@pytest.mark.parametrize("kernel", [AttendBeforeKernel, AttendAfterKernel])
def test_contract(kernel: Any, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/test_contracts.py runs the other rules, and more sizes, on a GPU."""
    monkeypatch.setattr(kernel, "examples", kernel.examples[:1])
    monkeypatch.setattr("seqtool.testing.kernel_cases.variations", lambda *_: ())
    monkeypatch.setattr("seqtool.testing.module_contract.BATCH", 2)
    check("kernel", kernel, rules=[rule])


@pytest.mark.parametrize("kernel", [AttendBeforeKernel, AttendAfterKernel])
def test_refusals_have_a_reason(kernel: Any) -> None:
    check("kernel", kernel, rules=["available", "examples_cover_parts", "gives_reasons"])


@pytest.mark.parametrize(
    ("kind", "size", "attention", "options", "reason"),
    [
        ("attend_before", 13, None, {"bridge": "copy"}, "no attention"),
        ("attend_before", 13, {"scorer": "general", "heads": 13}, {}, "13 heads"),
        ("attend_before", 13, {"scorer": "cosine"}, {}, "scorer is Cosine"),
        ("attend_before", 13, {"scorer": "general", "normalizer": "sparsemax"}, {}, "normalizer is Sparsemax"),
        ("attend_before", 13, {"scorer": "general", "normalizer": "exp"}, {}, "Exp is supported with GMM"),
        ("attend_before", 13, {"scorer": {"type": "gmm", "hidden_size": 3}}, {}, "hidden layer"),
        ("attend_before", 13, {"scorer": "additive"}, {"query": ("state",)}, "query is state"),
        ("attend_before", 13, {"scorer": "general"}, {"query": ("output", "input")}, "with product scores"),
        ("attend_before", 13, {"scorer": "additive"}, {"query": ("output", "output")}, "the same part twice"),
        (
            "attend_before",
            13,
            {"scorer": "additive"},
            {"feed": ("input",), "features": ("output", "context")},
            "does not read the context",
        ),
        ("attend_before", 65, {"scorer": {"type": "additive", "hidden_size": 9}}, {}, "hidden_size is 65; at most 64"),
        ("attend_before", 13, {"scorer": {"type": "additive", "hidden_size": 99}}, {}, "scorer is 99; at most 64"),
        ("attend_after", 13, {"scorer": "additive"}, {"attentional_size": 65, "input_feeding": True}, "at most 64"),
        ("attend_after", 13, {"scorer": "additive"}, {"attentional_size": 9}, "without input feeding"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*takes scores as logarithms")
def test_refusals(kind: str, size: int, attention: Options | None, options: Options, reason: str) -> None:
    cell = {"type": "lstm", "hidden_size": size}
    part = make(f"decoder/{kind}", INPUT, 13, (size, size), 7, cell=cell, attention=attention, **options)
    kernel = AttendBeforeKernel() if kind == "attend_before" else AttendAfterKernel()
    assert reason in (kernel.unsupported(part) or "")


def test_a_subclass_of_attention_is_refused() -> None:
    part: Any = decoder("attend_before", "lstm", 7, "additive")
    assert AttendBeforeKernel().unsupported(part) is None
    part.attention.__class__ = type("Altered", (Attention,), {})
    assert "attention is Altered" in (AttendBeforeKernel().unsupported(part) or "")


def test_auto_uses_triton_only_on_cuda() -> None:
    part = torch.nn.ModuleDict({"decoder": decoder("attend_before", "lstm", 7, "additive")})
    for device, ours in (("cuda", True), ("cpu", False)):
        choices = install(copy.deepcopy(part), "auto", default_registry(), torch.device(device), torch.float32)
        (chosen,) = [choice.kernel for choice in choices if (choice.part, choice.method) == ("decoder", "unroll")]
        assert (chosen == "triton:attend_before_cuda") == ours


def test_a_large_memory_uses_the_reference() -> None:
    part, left = decoder("attend_before", "lstm", 7, "additive").to(DEVICE), list[Any]()
    numbers(part, torch.ones(1, 2049, dtype=torch.bool), record_refusals(AttendBeforeKernel(), left))
    assert left == ["its memory of 2049 positions is too large"]
