"""Dispatch to kernels: hooks, gradients and replaced modules behave as with the reference."""

import copy
import gc
import pickle
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn
from torch.optim import optimizer

import seqtool
from seqtool.api import Cell, Kernel, accelerated, part_name
from seqtool.build.assembly import Assembly, assemble, make
from seqtool.build.kernels import install, record
from seqtool.errors import MisuseError
from seqtool.nn.model import Seq2Seq
from seqtool.parts import torch_internals
from seqtool.parts.kernel import NO_KERNELS, is_accelerated, reference_only
from seqtool.registry import default_registry
from seqtool.training.lightning_module import SequenceModule

CPU = torch.device("cpu")
RECIPE = """
seqtool: 1
name: small
task: {{type: reverse, length: 9, min_length: 1, symbols: 11, ending: eos}}
model:
  embedding: {{type: learned, embedding_size: 21}}
  encoder: {{type: rnn, cell: {{type: lstm, hidden_size: 21}}, bidirectional: true}}
  decoder: {{cell: {{type: lstm, hidden_size: 21}}, attention: {{scorer: additive}}, {decoder}}}
train: {{steps: 1, batch_size: 16, clip_norm: 1.0, optimizer: {{type: adam, lr: 1e-3}}}}
"""
DECODERS = {
    "before": "type: attend_before",
    "after": "type: attend_after, attentional_size: 6",
    "fed": "type: attend_after, attentional_size: 6, input_feeding: true",
}


@pytest.fixture(params=DECODERS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Assembly:
    recipe = tmp_path / "small.yaml"
    recipe.write_text(RECIPE.format(decoder=DECODERS[request.param]))
    (variant,) = seqtool.load_recipe(recipe).variants.values()
    return assemble(variant, seed=0)


def with_kernels(model: Any) -> Any:
    model = copy.deepcopy(model)
    install(model, "auto", default_registry(), CPU, torch.float32)
    return model


def batch_of(made: Assembly) -> Any:
    return made.task.batch("train", 0, seed=0, rank=0, batch_size=16, device=CPU)


def saliency(model: Seq2Seq, batch: Any) -> Tensor:
    """The gradient of the summed logits at each embedded source symbol, computed with a hook."""
    embedded: list[Tensor] = []

    def keep(module: nn.Module, arguments: Any, result: Tensor) -> None:
        result.retain_grad()
        embedded.append(result)

    handle = model.source_embedding.register_forward_hook(keep)
    logits, _ = model(batch)
    (logits**2).sum().backward()
    handle.remove()
    (found,) = embedded
    assert found.grad is not None
    return found.grad


def test_saliency_equals_that_of_the_reference(made: Assembly) -> None:
    batch = batch_of(made)
    wanted = saliency(copy.deepcopy(made.model).double(), batch)
    found = saliency(with_kernels(made.model), batch)
    assert wanted.abs().max() > 0
    assert float((found - wanted).abs().max() / wanted.abs().max()) <= 1e-5


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # modules whose input is ids
@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward"])
def test_hooks_on_any_module_run_as_often_as_with_the_reference(made: Assembly, kind: str) -> None:
    batch = batch_of(made)
    for path, _ in made.model.named_modules():
        counts = []
        for model in (copy.deepcopy(made.model), with_kernels(made.model)):
            calls: list[None] = []
            getattr(model.get_submodule(path), f"register_{kind}_hook")(lambda *_, c=calls: c.append(None))
            (model(batch)[0] ** 2).sum().backward()
            counts.append(len(calls))
        assert counts[0] == counts[1], f"{kind} hook on {path or 'the model'}"


def test_global_hooks_run_as_often_as_with_the_reference(made: Assembly) -> None:
    counts = []
    for model in (copy.deepcopy(made.model), with_kernels(made.model)):
        calls: list[None] = []
        handle = nn.modules.module.register_module_forward_hook(lambda *_, c=calls: c.append(None))
        model(batch_of(made))
        handle.remove()
        counts.append(len(calls))
    assert counts[0] == counts[1] > 1


@pytest.mark.parametrize("path", ["decoder", "decoder.cell", "decoder.attention.scorers.0"])
def test_hooks_on_parts_without_forward_never_run_but_kernels_refuse_the_call(made: Assembly, path: str) -> None:
    batch, model = batch_of(made), with_kernels(made.model)
    decoder, inputs = model.decoder, torch.randn(16, 3, 21)
    call = (inputs, *decoder.start(model.encode(batch.source, batch.source_mask)))
    (kernel,) = decoder.kernels["unroll"]
    assert kernel.verify(decoder, *call) is None
    calls: list[None] = []
    model.get_submodule(path).register_forward_hook(lambda *_: calls.append(None))
    model(batch)
    with reference_only():
        model(batch)
    assert not calls
    refused = kernel.verify(decoder, *call)
    assert refused is None if path == "decoder" else "a hook is registered on its" in refused


def test_a_replaced_cell_is_used(made: Assembly) -> None:
    batch, model = batch_of(made), with_kernels(made.model)
    before = model(batch)[0]
    size = model.decoder.cell.weight_ih.shape[1]
    torch.manual_seed(5)
    for cell in (seqtool.make("cell/lstm", size, hidden_size=21), Doubled(model.decoder.cell)):
        model.decoder.cell = cell
        with reference_only():
            wanted = model(batch)[0]
        found = model(batch)[0]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(found, before, atol=1e-3)


class Doubled(Cell):
    """A cell that wraps another one and doubles its input."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell, self.output_size = cell, cell.output_size

    def start(self, batch_size: int, like: Tensor) -> Any:
        return self.cell.start(batch_size, like)

    def step(self, x: Tensor, fixed: Any, state: Any) -> Any:
        return self.cell.step(2 * x, fixed, state)


@pytest.mark.parametrize("made", ["before", "fed"], indirect=True)  # torch.lstm would read out of bounds
def test_a_cell_of_wrong_size_raises_the_references_error(made: Assembly) -> None:
    model = with_kernels(made.model)
    model.decoder.cell = seqtool.make("cell/lstm", 3, hidden_size=21)
    with pytest.raises(RuntimeError, match="size"):
        model(batch_of(made))


def test_kernels_are_copied_and_pickled_with_the_part(made: Assembly) -> None:
    model, batch = with_kernels(made.model), batch_of(made)
    assert list(model.state_dict()) == list(made.model.state_dict())
    assert set(model.kernels) == {"encode", "decode"}
    wanted = model(batch)[0]
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert set(other.kernels) == {"encode", "decode"}
        assert torch.equal(other(batch)[0], wanted)
        with torch.no_grad():
            other.decoder.cell.weight_hh.mul_(0)
        assert not torch.allclose(other(batch)[0], wanted)
    methods = {
        name for module in model.modules() for name in ("forward", "unroll", "start", "score") if name in vars(module)
    }
    assert not methods, "a method is set on an instance"


def test_no_kernel_keeps_a_model_alive(made: Assembly) -> None:
    model, batch = with_kernels(made.model), batch_of(made)
    model(batch)[0].sum().backward()
    gone = weakref.ref(model.decoder)
    del model
    gc.collect()
    assert gone() is None


class Plus(Cell):
    """Sums its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.output_size = 1

    def start(self, batch_size: int, like: Tensor) -> tuple[Any, Tensor]:
        return (), like.new_zeros(batch_size, 1)

    def step(self, x: Tensor, fixed: Any, state: Tensor) -> tuple[Tensor, Tensor]:
        return state + x, state + x


class Hundred(Kernel):
    """Returns a hundred, and counts its calls."""

    def __init__(self, reason: str | None = None) -> None:
        self.reason, self.asked = reason, 0

    def verify(self, part: Any, *arguments: Any, **named: Any) -> str | None:
        self.asked += 1
        return self.reason

    def __call__(self, part: Any, *arguments: Any, **named: Any) -> Any:
        return torch.full((1, 1, 1), 100.0), ()


def unrolled(cell: Cell) -> float:
    x = torch.ones(1, 1, 1)
    return float(cell.unroll(x, torch.ones(1, 1, dtype=torch.bool), *cell.start(1, x))[0])


def test_kernels_are_asked_in_order_before_the_method_runs() -> None:
    cell, refusing, willing = Plus(), Hundred("no"), Hundred()
    assert cell.kernels is NO_KERNELS
    assert unrolled(cell) == 1
    cell.kernels = {"unroll": (refusing, willing)}
    assert unrolled(cell) == 100
    assert (refusing.asked, willing.asked) == (1, 1)
    cell.kernels = {"unroll": (refusing,), "step": (willing,)}
    assert unrolled(cell) == 1
    with reference_only():
        cell.kernels = {"unroll": (willing,)}
        assert unrolled(cell) == 1
    assert unrolled(cell) == 100


class First(Kernel):
    parts = ("cell/cells:gru",)


class Preferred(First):
    priority = 1


class Last(First):
    priority = -1


def test_kernels_are_ordered_by_priority_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = {"b:first": First(), "a:last": Last(), "c:preferred": Preferred(), "a:second": First()}  # by name
    monkeypatch.setattr("seqtool.build.kernels.available_kernels", lambda registry: kernels.items())
    model: Any = nn.ModuleDict({"cell": make("cell/gru", 3, hidden_size=5)})
    (choice,) = install(model, "auto", default_registry(), CPU, torch.float32)
    assert choice.kernel == "c:preferred"
    wanted = [kernels[name] for name in ("c:preferred", "b:first", "a:second", "a:last")]
    assert list(model["cell"].kernels["unroll"]) == wanted


def test_an_override_uses_kernels_only_if_marked() -> None:
    class Unmarked(Plus):
        def unroll(self, *arguments: Any) -> Any:
            return super().unroll(*arguments)

    class Marked(Plus):
        @accelerated
        def unroll(self, *arguments: Any) -> Any:
            return super().unroll(*arguments)

    for cls, wanted in ((Unmarked, 1), (Marked, 100)):
        cell = cls()
        cell.kernels = {"unroll": (Hundred(),)}
        assert unrolled(cell) == wanted
        assert is_accelerated(cls, "unroll") == (cls is Marked)
    cell, refusing = Marked(), Hundred("no")
    cell.kernels = {"unroll": (refusing,)}
    assert unrolled(cell) == 1
    assert refusing.asked == 1, "`super()` dispatches again"


def test_names_of_parts() -> None:
    cell = seqtool.make("cell/lstm", 3, hidden_size=2)
    assert part_name(cell) == "cell/cells:lstm"
    assert part_name(type("Other", (type(cell),), {})(3, hidden_size=2)) == ""
    assert part_name(seqtool.make("attention", 3, 3, scorer="dot")) == "attention"
    assert part_name(object()) == ""


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
def test_default_verify_of_kernels() -> None:
    kernel, cell = Kernel(), seqtool.make("cell/lstm", 3, hidden_size=2)
    x, mask = torch.randn(1, 2, 3), torch.ones(1, 2, dtype=torch.bool)
    fixed, state = cell.start(1, x)

    def why(part: Any = cell, given: Tensor = x) -> str:
        return kernel.verify(part, given, mask, fixed, state) or ""

    assert why() == ""
    assert "float64" in why(copy.deepcopy(cell).double())
    assert "float64" in why(given=x.double())
    assert "empty" in why(given=x[:0])
    assert "meta" in why(given=x.to("meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert why() == "autocast is enabled"
    seen: list[str] = []
    torch.func.vmap(lambda y: (seen.append(why(given=y)), y)[1])(x.unsqueeze(0))
    torch.func.grad(lambda y: (seen.append(why()), y.sum())[1])(x)
    torch.jit.trace(lambda y: (seen.append(why()), y + 1)[1], x, check_trace=False)
    assert seen == 3 * ["torch.func or tracing is active"]


def test_private_names_of_torch() -> None:
    """`seqtool.parts.torch_internals` detects each kind of hook, and reports none without hooks."""
    for register in ("forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"):
        module = nn.Linear(1, 1)
        assert not torch_internals.has_hooks(module)
        handle = getattr(module, f"register_{register}")(lambda *_: None)
        assert torch_internals.has_hooks(module)
        handle.remove()
        assert not torch_internals.has_hooks(module)
        handle = getattr(nn.modules.module, f"register_module_{register}")(lambda *_: None)
        assert torch_internals.has_global_hooks()
        handle.remove()
        assert not torch_internals.has_global_hooks()
    adam = seqtool.make("optimizer/adam", nn.Linear(1, 1).parameters())
    for register in ("step_pre_hook", "step_post_hook"):
        for add in (getattr(adam, f"register_{register}"), getattr(optimizer, f"register_optimizer_{register}")):
            assert not torch_internals.has_step_hooks(adam)
            handle = add(lambda *_: None)
            assert torch_internals.has_step_hooks(adam)
            handle.remove()
    linear = nn.Linear(1, 1)
    assert torch_internals.own_parameters(linear)["weight"] is linear.weight
    assert torch_internals.own_modules(nn.Sequential(linear))["0"] is linear
    nested = nn.Sequential(nn.ModuleList([nn.Linear(1, 1)]), nn.Identity())
    nested.register_module("none", None)
    assert set(torch_internals.modules_within([nested])) == set(nested.modules())


def test_the_environment_disables_kernels(made: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQTOOL_NO_KERNELS", "fused, triton")
    model = copy.deepcopy(made.model)
    choices = install(model, "auto", default_registry(), CPU, torch.float32)
    assert not any(getattr(part, "kernels", None) for part in model.modules())
    reasons = record("auto", choices)["kernels"]["model.encode"]["reference"]
    assert reasons == {"fused:encode": "SEQTOOL_NO_KERNELS disables it"}
    monkeypatch.setenv("SEQTOOL_NO_KERNELS", "fussed")
    with pytest.raises(MisuseError, match=r"(?s)'fussed'.*did you mean 'fused'.*allowed: fused, triton"):
        install(model, "auto", default_registry(), CPU, torch.float32)


@pytest.mark.parametrize(("value", "kept"), [(None, False), ("0", False), ("1", True)])
def test_the_allocator_is_changed_only_on_request(
    monkeypatch: pytest.MonkeyPatch, value: str | None, kept: bool
) -> None:
    from seqtool_fused import library

    if library.unavailable_reason():
        pytest.skip("there is no C compiler")
    calls: list[Any] = []
    loaded = SimpleNamespace(seqtool_keep_memory=lambda *sizes: calls.append(sizes))
    monkeypatch.setattr(library.ctypes, "CDLL", lambda path: loaded)
    monkeypatch.delenv("SEQTOOL_KEEP_MEMORY", raising=False)
    if value is not None:
        monkeypatch.setenv("SEQTOOL_KEEP_MEMORY", value)
    library.library.__wrapped__()
    assert bool(calls) == kept


@pytest.mark.parametrize(
    ("strategy", "ours"), [(SingleDeviceStrategy, True), (DDPStrategy, True), (FSDPStrategy, False)]
)
def test_which_implementation_clips_gradients(made: Assembly, strategy: Any, ours: bool, monkeypatch: Any) -> None:
    module = SequenceModule(made)
    used = made.optimizer
    clipped: list[str] = []
    monkeypatch.setattr(type(used), "clip", lambda self, limit: clipped.append("optimizer"))
    monkeypatch.setattr(module, "clip_gradients", lambda *_, **__: clipped.append("lightning"))
    monkeypatch.setattr(module, "_trainer", SimpleNamespace(strategy=object.__new__(strategy)))
    module.configure_gradient_clipping(used, 1.0, "norm")
    assert clipped == ["optimizer" if ours else "lightning"]
