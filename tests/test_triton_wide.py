"""The kernels of wide decoders compared with their parts in float64: on CUDA, or in Triton's interpreter on the CPU."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.shapes import Shape, variant
from seqtool.api import Attention, Decoder, Encoded, Encoder, Kernel, tree
from seqtool.build.assembly import assemble, make
from seqtool.build.kernels import install
from seqtool.registry import default_registry
from seqtool.testing.kernel_binding import attach_kernel, record_refusals
from seqtool_triton.both_ways import BothWaysKernel
from seqtool_triton.wide import AttentionKernel, WideAttendAfterKernel, WideAttendBeforeKernel

pytest.importorskip("triton", reason="triton is not installed")
from seqtool_triton import attend_step, cell_step

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HIDDEN, INPUT, MEMORY = 65, 3, 5
ADDITIVE = {"type": "additive", "hidden_size": 6}
LENGTHS = (4, 0, 3)
Options = Mapping[str, Any]
AFTER: Options = {"attentional_size": 4, "input_feeding": True}
CASES: dict[str, tuple[str, str, Any, Options]] = {
    "after, lstm, additive": ("attend_after", "lstm", ADDITIVE, AFTER),
    "after, gru, additive": ("attend_after", "gru", ADDITIVE, AFTER),
    "after, lstm, general": ("attend_after", "lstm", "general", AFTER),
    "before, lstm, additive": ("attend_before", "lstm", ADDITIVE, {}),
    "before, gru, additive, query of the input": ("attend_before", "gru", ADDITIVE, {"query": ("input", "output")}),
    "before, gru, general, features of all": (
        "attend_before", "gru", "general", {"features": ("context", "input", "output")},
    ),
    "before, lstm, general, fed in another order": ("attend_before", "lstm", "general", {"feed": ("context", "input")}),
    "before, lstm, context for the readout alone": (
        "attend_before", "lstm", ADDITIVE, {"feed": ("input",), "features": ("output", "context")},
    ),
    "before, gru, fed the context alone": ("attend_before", "gru", ADDITIVE, {"feed": ("context",)}),
}  # fmt: skip


def decoder(kind: str, cell: str, scorer: Any, options: Options, size: int = HIDDEN) -> nn.Module:
    torch.manual_seed(0)
    given = {"cell": {"type": cell, "hidden_size": size}, "attention": {"scorer": scorer}, **options}
    made: nn.Module = make(f"decoder/{kind}", INPUT, MEMORY, (), 7, **given)
    return made.to(DEVICE)


def attention(scorer: Any, size: int = 6) -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = make("attention", size, size, scorer=scorer)
    return made.to(DEVICE)


def encoder(cell: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    cell_options = {"type": cell, "hidden_size": 4}
    made: nn.Module = make("encoder/rnn", INPUT, cell=cell_options, bidirectional=True, **options)
    return made.to(DEVICE)


def kernel_of(part: nn.Module) -> Kernel:
    if isinstance(part, Attention):
        return AttentionKernel()
    if isinstance(part, Encoder):
        return BothWaysKernel()
    return WideAttendAfterKernel() if hasattr(part, "combine") else WideAttendBeforeKernel()


def outputs(part: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The results of a part from a state that is not zero."""
    if isinstance(part, Attention):
        context, weights, _ = part(given["x"], *part.start(given["memory"], given["mask"]))
        return {"context": context, "weights": weights}
    if isinstance(part, Encoder):
        encoded = part(given["memory"], given["mask"])
        return {"memory": encoded.memory} | {f"final {i}": x for i, x in enumerate(encoded.final)}
    fixed, zeros = part.start(Encoded(given["memory"], given["mask"], ()))
    state = tree.rebuild(zeros, [x for name, x in given.items() if "first" in name])
    features, weights, last = part.unroll(given["x"], fixed, state)
    return {"features": features, "weights": weights} | {f"state {i}": x for i, x in enumerate(tree.leaves(last))}


def drawn(part: Any, lengths: tuple[int, ...] = LENGTHS, steps: int = 3) -> dict[str, Tensor]:
    """Inputs in float64; those at padding are zero."""
    generator = torch.Generator().manual_seed(1)
    rows, positions = len(lengths), max(lengths)
    size = part.memory_size if isinstance(part, Attention) else INPUT if isinstance(part, Encoder) else MEMORY

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(DEVICE)

    mask = (torch.arange(positions) < torch.tensor(lengths)[:, None]).to(DEVICE)
    first = {}
    if isinstance(part, Decoder):
        _, state = part.start(Encoded(draw(rows, positions, size).float(), mask, ()))
        first = {f"first {i}": 0.3 * draw(*x.shape) for i, x in enumerate(tree.leaves(state))}
    width = size if isinstance(part, Attention) else INPUT
    memory = draw(rows, positions, size) * mask.unsqueeze(2)
    return {"x": draw(rows, steps, width), "memory": memory, "mask": mask, **first}


def numbers(part: nn.Module, given: dict[str, Tensor], *used: str) -> dict[str, Tensor]:
    """Outputs, and all gradients of a weighted sum of the outputs in `used`, or of all."""
    dtype, generator = next((x.dtype for x in part.parameters()), torch.float32), torch.Generator().manual_seed(2)
    given = {name: x.to(dtype).requires_grad_() if x.is_floating_point() else x for name, x in given.items()}
    found = outputs(part, given)
    amounts = {name: torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x) for name, x in found.items()}
    total = sum((found[name] * amounts[name]).sum() for name in used or found)
    leaves = {name: x for name, x in given.items() if x.requires_grad} | dict(part.named_parameters())
    gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    of = {f"gradient of {name}": x for name, x in zip(leaves, gradients, strict=True) if x is not None}
    return {name: x.detach().double() for name, x in (found | of).items()}


def with_kernel(part: nn.Module) -> nn.Module:
    """A copy whose kernel computes every call."""
    kernel, part = kernel_of(part), copy.deepcopy(part)
    assert kernel.unsupported(part) is None
    result: nn.Module = attach_kernel(record_refusals(kernel, NoneLeft()), part)
    return result


class NoneLeft(list[Any]):
    """A list of calls of the reference, in which the first raises an error."""

    def append(self, why: Any) -> None:
        pytest.fail(f"a call is left to the reference: {why}")


def expect_same(part: nn.Module, given: dict[str, Tensor], *used: str) -> None:
    wanted, found = numbers(copy.deepcopy(part).double(), given, *used), numbers(with_kernel(part), given, *used)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        error = float((found[name] - value).abs().max())
        assert error <= 1e-5 * float(value.abs().max().clamp(min=1e-3)), f"{name} is off by {error}"


@pytest.mark.parametrize("case", CASES)
def test_loop_equals_its_part(case: str) -> None:
    part = decoder(*CASES[case])
    expect_same(part, drawn(part))


@pytest.mark.parametrize("scorer", [ADDITIVE, "dot", "scaled_dot", "general"], ids=str)
def test_attention_equals_its_part(scorer: Any) -> None:
    part = attention(scorer)
    expect_same(part, drawn(part))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("lengths", [LENGTHS, (3,)], ids=str)
def test_bidirectional_encoder_equals_its_part(cell: str, lengths: tuple[int, ...]) -> None:
    part = encoder(cell, layers=2, residual=True)
    with torch.backends.cudnn.flags(allow_tf32=False):
        expect_same(part, drawn(part, lengths))


def test_more_features_than_a_tile_and_more_positions() -> None:
    part = attention({"type": "additive", "hidden_size": 130}, size=129)
    expect_same(part, drawn(part, lengths=(70,), steps=1))


@pytest.mark.parametrize("used", ["features", "weights", "state 0"])
def test_unused_outputs_have_no_gradient(used: str) -> None:
    part = decoder(*CASES["after, lstm, additive"])
    expect_same(part, drawn(part, lengths=(2,), steps=2), used)


@pytest.mark.parametrize(
    "case", ["after, lstm, additive", "after, gru, additive", "before, gru, general, features of all"]
)
def test_a_gradient_can_be_differentiated(case: str) -> None:
    part = decoder(*CASES[case])
    given = drawn(part, lengths=(2,), steps=2)

    def second(part: nn.Module, given: dict[str, Tensor]) -> list[Tensor]:
        dtype = next(part.parameters()).dtype
        found = outputs(part, {name: x.to(dtype) if x.is_floating_point() else x for name, x in given.items()})
        parameters = [x for name, x in part.named_parameters() if not name.startswith("readout")]
        first = torch.autograd.grad(found["features"].sum(), parameters, create_graph=True)
        return list(torch.autograd.grad(sum((x**2).sum() for x in first), parameters))

    wanted, found = second(copy.deepcopy(part).double(), given), second(with_kernel(part), given)
    for x, y in zip(wanted, found, strict=True):
        assert float((x - y).abs().max()) <= 1e-4 * float(x.abs().max())


class Launches(TorchDispatchMode):
    """Counts launches of torch: every operation except views and empty tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not function.is_view and "empty" not in str(function):
            self.names.append(str(function))
        return function(*args, **(kwargs or {}))


class Idle:
    """A kernel that is counted and not run."""

    def __init__(self, launches: list[str]) -> None:
        self.launches = launches

    def __getitem__(self, grid: Any) -> Any:
        return lambda *_, **__: self.launches.append("triton")


@pytest.mark.parametrize("case", ["after, lstm, additive", "before, gru, additive, query of the input"])
def test_a_step_launches_four_kernels_forward_and_backward_without_waiting(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, launches = with_kernel(decoder(*CASES[case])), Launches()
    idle = Idle(launches.names)
    for kernel_name in ("_forward", "_backward", "_additive_keys_backward"):
        monkeypatch.setattr(attend_step, kernel_name, idle)
    monkeypatch.setattr(cell_step, "_KERNELS", dict.fromkeys(("lstm", "gru"), (idle, idle)))
    counts = []
    for steps in (2, 3):
        given = {name: x.float() if x.is_floating_point() else x for name, x in drawn(part, (2,), steps).items()}
        with launches:
            found = outputs(part, given)["features"]
            ahead = len(launches.names)
            found.backward(torch.ones_like(found))
        counts.append((ahead, len(launches.names) - ahead))
        assert not {"aten._local_scalar_dense.default", "aten.nonzero.default"} & {*launches.names}
        launches.names.clear()
        part.zero_grad()
    assert [more - fewer for fewer, more in zip(*counts, strict=True)] == [4, 4]


def test_calls_that_use_the_reference() -> None:
    part = decoder(*CASES["after, lstm, additive"])
    given = drawn(part)
    double = attach_kernel(kernel_of(part), copy.deepcopy(part).double())
    for name, value in outputs(double, given).items():
        assert torch.equal(value, outputs(copy.deepcopy(part).double(), given)[name])
    single = {name: x.float() if x.is_floating_point() else x for name, x in given.items()}
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        wanted, found = outputs(part, single), outputs(attach_kernel(kernel_of(part), copy.deepcopy(part)), single)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_unsupported_parts_are_refused_with_a_reason() -> None:
    after = {"cell": {"type": "lstm", "hidden_size": HIDDEN}, "attention": {"scorer": ADDITIVE}, **AFTER}

    def why(kind: str, **options: Any) -> str | None:
        part = make(f"decoder/{kind}", INPUT, MEMORY, (), 7, **options)
        return kernel_of(part).unsupported(part)

    assert why("attend_after", **after) is None
    assert "64" in str(why("attend_after", **after | {"cell": {"type": "lstm", "hidden_size": 64}}))
    assert "input feeding" in str(why("attend_after", **after | {"input_feeding": False}))
    assert "RNN" in str(why("attend_after", **after | {"cell": {"type": "rnn", "hidden_size": HIDDEN}}))
    assert "Sparsemax" in str(
        why("attend_after", **after | {"attention": {"scorer": ADDITIVE, "normalizer": "sparsemax"}})
    )
    assert "5 heads" in str(why("attend_after", **after | {"attention": {"scorer": ADDITIVE, "heads": 5}}))
    before = {"cell": after["cell"], "attention": after["attention"]}
    assert "inner_state" in str(why("attend_before", **before, query=("output", "inner_state")))
    assert "twice" in str(why("attend_before", **before, features=("output", "output")))


@pytest.mark.parametrize("kind", ["attend_after", "attend_before"])
def test_a_subclass_of_attention_is_refused(kind: str) -> None:
    part: Any = decoder(kind, "lstm", ADDITIVE, AFTER if kind == "attend_after" else {})
    assert kernel_of(part).unsupported(part) is None
    part.attention.__class__ = type("Altered", (Attention,), {})
    assert "attention is Altered" in (kernel_of(part).unsupported(part) or "")


def test_engine_selects_triton_kernels_on_cuda() -> None:
    made = assemble(variant("input_feeding", Shape(hidden=HIDDEN, source=3, target=2, batch=2)), seed=0)
    choices = install(made.model, "auto", default_registry(), torch.device("cuda"), torch.float32)
    chosen = {f"{choice.part}.{choice.method}": choice.kernel for choice in choices}
    assert chosen["encoder.forward"] == "triton:both_ways"
    assert chosen["decoder.unroll"] == "triton:wide_attend_after"
    assert chosen["decoder.attention.forward"] == "triton:attention"
