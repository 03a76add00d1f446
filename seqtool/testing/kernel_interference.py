"""The rules of what a kernel must not bypass: hooks, interventions and replaced modules."""

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.nn.attention import Attention, intervened
from seqtool.parts import tree
from seqtool.parts.cell import Cell
from seqtool.parts.decoder import Decoder
from seqtool.parts.encoder import Encoder
from seqtool.parts.intervention import Intervention
from seqtool.parts.normalizer import Normalizer
from seqtool.parts.scorer import Scorer
from seqtool.parts.tree import Tree
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, difference, relative_error
from seqtool.testing.kernel_binding import attach_kernel
from seqtool.testing.kernel_cases import Case, KernelCases, to_double

COMPUTED_BY: Mapping[type[nn.Module], str] = {
    Attention: "forward", Cell: "step", Decoder: "step", Encoder: "forward", Normalizer: "forward", Scorer: "score",
}  # fmt: skip
"""The method that subclasses of each kind of part override; its first argument is a floating-point tensor."""


class KernelInterferenceRules(KernelCases):
    """Rules of kernels of modules."""

    @rule
    def hooks(self) -> None:
        """Hooks on submodules run as often as without the kernel, and retain the same gradients."""
        kernel = self.part()
        for case in self.examples(kernel):
            inputs = case.draw()
            for path, _ in list(case.module.named_modules())[1:]:
                wanted, found = (
                    _hooked_gradients(case, part, path, inputs)
                    for part in (copy.deepcopy(case.module), attach_kernel(kernel, copy.deepcopy(case.module)))
                )
                where = f"{case.label}: a hook on {path}"
                self.expect(len(found) == len(wanted), f"{where} runs {len(found)} times, not {len(wanted)}")
                for ours, theirs in zip(found, wanted, strict=True):
                    same = relative_error(theirs, ours) <= kernel.tolerance
                    self.expect(same, f"{where} retains another gradient")

    @rule
    def interventions(self) -> None:
        """Under an intervention on attention weights the reference runs."""
        kernel = self.part()
        for case in self.examples(kernel):
            module = case.module
            if not any(isinstance(inner, Attention) for inner in module.modules()):
                continue
            inputs = case.draw()
            with intervened(module, _Reversed()):
                wanted = case.run(copy.deepcopy(module), inputs)
                found = case.run(attach_kernel(kernel, module), inputs)
            for name, value in wanted.items():
                words = difference(value, found[name], exact=True)
                self.expect(
                    words is None, f"{case.label}: {name} are not the reference's under an intervention: {words}"
                )

    @rule
    def replaced_modules(self) -> None:
        """A submodule that was replaced after a call is used, whether it is of the same class or of a subclass."""
        kernel = self.part()
        for case in self.examples(kernel):
            inputs, run, module = case.draw(), case.run, case.module
            run(attach_kernel(kernel, module), inputs)
            for path, inner in list(module.named_modules())[1:]:
                for other in _replacements(inner):
                    module.set_submodule(path, other)
                    wanted = run(copy.deepcopy(module).double(), to_double(inputs))
                    where = f"{case.label}, {path} replaced by {type(other).__name__}"
                    self.expect_close(wanted, run(module, inputs), kernel.tolerance, where)
                module.set_submodule(path, inner)


class _Reversed(Intervention):
    """The weights in reverse order of positions."""

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return weights.flip(-1), state


def _hooked_gradients(case: Case, part: nn.Module, path: str, inputs: Outputs) -> list[Tensor]:
    """The gradient of the first output of each call of a submodule; zeros if it has none."""
    outputs: list[Tensor] = []
    part.get_submodule(path).register_forward_hook(partial(_retain, outputs))
    total = case.contract.weighted_sum(case.run(part, inputs))
    if total.requires_grad:
        total.backward()
    return [torch.zeros_like(x) if x.grad is None else x.grad for x in outputs]


def _retain(outputs: list[Tensor], module: nn.Module, arguments: Any, result: Any) -> None:
    first = tree.leaves(result)[0]
    if first.requires_grad:
        first.retain_grad()
    outputs.append(first)


def _replacements(inner: nn.Module) -> Iterator[nn.Module]:
    """The module with other parameters; for a part of `COMPUTED_BY`, also a subclass with another method."""
    other = copy.deepcopy(inner)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    yield other
    for part, method in COMPUTED_BY.items():
        if isinstance(inner, part):
            altered: Any = {method: _halved(method)}
            if hasattr(part, "unroll"):
                altered["unroll"] = part.unroll
            subclass: Any = copy.deepcopy(inner)
            subclass.__class__ = type(f"Halved{type(inner).__name__}", (type(inner),), altered)
            yield subclass


def _halved(method: str) -> Callable[..., Any]:
    """The base class's method applied to half of its first argument."""

    def halved(self: Any, first: Tensor, *others: Any) -> Any:
        return getattr(super(type(self), self), method)(first / 2, *others)

    return halved
