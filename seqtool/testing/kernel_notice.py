"""The rules about what a kernel has to notice around a call: hooks, interventions, modules that were replaced."""

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.nn.attention import Attention, intervened
from seqtool.parts import tree
from seqtool.parts.cell import Cell
from seqtool.parts.intervention import Intervention
from seqtool.parts.kernel import Kernel
from seqtool.parts.tree import Tree
from seqtool.testing.contract import Contract, rule
from seqtool.testing.differences import Outputs, difference, named
from seqtool.testing.gradients import GradientContract, Run
from seqtool.testing.kernel_binding import bound

Try = tuple[str, GradientContract, nn.Module]
"""What a part is, the contract of its kind, the part."""


class KernelNoticeRules(Contract):
    """What a kernel of a module keeps; nothing is asked of kernels of optimizers."""

    @rule
    def hooks(self) -> None:
        """Hooks on any module within run as often as without it, and retain the same gradients."""
        kernel = self.part()
        for label, contract, module in self.examples_of(kernel):
            inputs, run = drawn(contract, module), run_of(contract)
            for path, _ in list(module.named_modules())[1:]:
                wanted, found = (
                    _hooked(part, path, contract, run, inputs)
                    for part in (copy.deepcopy(module), bound(kernel, copy.deepcopy(module)))
                )
                where = f"{label}: a hook on {path}"
                self.expect(len(found) == len(wanted), f"{where} runs {len(found)} times, not {len(wanted)}")
                for ours, theirs in zip(found, wanted, strict=True):
                    self.expect(error_of(theirs, ours) <= kernel.tolerance, f"{where} retains another gradient")

    @rule
    def interventions(self) -> None:
        """While an intervention replaces attention weights, the reference computes."""
        kernel = self.part()
        for label, contract, module in self.examples_of(kernel):
            if not any(isinstance(inner, Attention) for inner in module.modules()):
                continue
            inputs, run = drawn(contract, module), run_of(contract)
            with intervened(module, _Turned()):
                wanted = run(copy.deepcopy(module), inputs)
                found = run(bound(kernel, module), inputs)
            for name, value in wanted.items():
                words = difference(value, found[name], exact=True)
                self.expect(words is None, f"{label}: {name} are not the reference's under an intervention: {words}")

    @rule
    def replaced_modules(self) -> None:
        """A module within that was replaced after a call is the one that counts, be it of the same class or not."""
        kernel = self.part()
        for label, contract, module in self.examples_of(kernel):
            inputs, run = drawn(contract, module), run_of(contract)
            run(bound(kernel, module), inputs)
            for path, inner in list(module.named_modules())[1:]:
                for other in _others(inner):
                    module.set_submodule(path, other)
                    wanted = run(copy.deepcopy(module).double(), _double(inputs))
                    for name, value in run(module, inputs).items():
                        error = error_of(wanted[name], value)
                        message = f"{label}, {path} replaced by {type(other).__name__}: {name} are off by {error:.1e}"
                        self.expect(error <= kernel.tolerance, message)
                module.set_submodule(path, inner)

    def examples_of(self, kernel: Kernel) -> Iterator[Try]:
        """The modules among its examples, with what they are and the contract of their kind."""
        raise NotImplementedError


def run_of(contract: GradientContract) -> Run:
    """How a part is used; a cell twice, so that the second time begins in a state that is not zero."""
    return _continued if contract.kind == "cell" else contract.run


def drawn(contract: GradientContract, module: nn.Module, **sizes: int) -> Outputs:
    """Inputs in float32, on the module's device."""
    device = next((x.device for x in module.parameters()), torch.device("cpu"))
    return {name: x.to(device) for name, x in contract.draw(module, **sizes, dtype=torch.float32).items()}


def error_of(wanted: Tensor, found: Tensor) -> float:
    """The largest difference relative to the largest absolute value; infinite where something is not a number."""
    if not wanted.is_floating_point() or not wanted.numel():
        return 0.0
    scale = wanted.detach().abs().max().clamp(min=1e-30)
    return float(((found.double() - wanted).detach().abs().max() / scale).nan_to_num(torch.inf))


class _Turned(Intervention):
    """The weights of the positions in reverse order."""

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return weights.flip(-1), state


def _hooked(part: nn.Module, path: str, contract: GradientContract, run: Run, inputs: Outputs) -> list[Tensor]:
    """The gradient of the first tensor that each call of a module returned; zeros where it has none."""
    seen: list[Tensor] = []
    part.get_submodule(path).register_forward_hook(partial(_retain, seen))
    total = contract.weighted_sum(run(part, inputs))
    if total.requires_grad:
        total.backward()
    return [torch.zeros_like(x) if x.grad is None else x.grad for x in seen]


def _retain(seen: list[Tensor], module: nn.Module, arguments: Any, result: Any) -> None:
    first = tree.leaves(result)[0]
    if first.requires_grad:
        first.retain_grad()
    seen.append(first)


def _others(inner: nn.Module) -> Iterator[nn.Module]:
    """The same module with other parameters; of a cell, one of a class of its own too."""
    other = copy.deepcopy(inner)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    yield other
    if isinstance(inner, Cell):
        strange: Any = copy.deepcopy(inner)
        strange.__class__ = type("Halved", (type(inner),), {"step": _halved_step, "unroll": Cell.unroll})
        yield strange


def _halved_step(self: Any, x: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
    output, state = super(type(self), self).step(x / 2, fixed, state)
    return output, state


def _continued(part: Cell, inputs: Outputs) -> Outputs:
    x, mask = inputs["x"], inputs["mask"]
    fixed, state = part.start(len(x), x)
    first, state = part.unroll(x, mask, fixed, state)
    outputs, state = part.unroll(x.flip(1), mask, fixed, state)
    return {"outputs": outputs, "first outputs": first, **named(state, "state")}


def _double(inputs: Outputs) -> Outputs:
    return {name: x.double() if x.is_floating_point() else x for name, x in inputs.items()}
