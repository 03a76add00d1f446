"""The rules of a kernel's numbers: outputs and gradients are those of the reference."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from seqtool.parts.kernel import Kernel
from seqtool.testing.contract import rule
from seqtool.testing.decoder import shrink_parameters
from seqtool.testing.differences import Outputs, difference, relative_error
from seqtool.testing.kernel_binding import attach_kernel, record_refusals
from seqtool.testing.kernel_cases import Case, KernelCases, to_double

LENGTHS = ((1, 1), (2, 2), (63, 3), (7, 63))
"""Source positions and target steps."""
UNSTABLE = 1e-3
"""An error of the reference in float32 above which its numbers are not compared."""

Limit = Callable[[float, float], float]
"""(error of the reference in float32 in a tensor, its largest in any tensor) -> the largest error of the kernel."""


class KernelNumberRules(KernelCases):
    """Errors are relative to the largest number of a tensor, against the reference in float64."""

    @rule
    def matches_reference(self) -> None:
        """Outputs, final states and gradients are those of the reference, with and without padding.

        Examples are compared at all `LENGTHS`, their variations at one of them in turn. Each number may be off by the
        kernel's `tolerance`. In a model the other parts compute in float32 too. Where numbers cancel, as in the
        gradient of a bridge, this alone can exceed the tolerance, so a tensor of a model may also be off by twice the
        error of the reference in float32 in the same tensor.
        """
        kernel = self.part()
        for number, case in enumerate(self.supported(kernel)):
            if case.contract.kind == "decoder":
                shrink_parameters(case.module)
            limit = _model_limit(kernel) if case.contract.kind == "model" else None
            self._compare_lengths(kernel, case, number, limit)

    @rule
    def matches_with_large_parameters(self) -> None:
        """A decoder with large parameters is off by at most ten times the largest error of the reference in float32.

        Rounding errors grow from step to step there. Above `UNSTABLE` nothing is compared.
        """
        kernel = self.part()

        def limit(own: float, largest: float) -> float:
            return max(kernel.tolerance, 10 * largest) if largest <= UNSTABLE else torch.inf

        for number, case in enumerate(self.supported(kernel)):
            if case.contract.kind == "decoder":
                self._compare_lengths(kernel, case, number, limit)

    def _compare_lengths(self, kernel: Kernel, case: Case, number: int, limit: Limit | None) -> None:
        for source_length, steps in LENGTHS if case.is_example else LENGTHS[number % len(LENGTHS) :][:1]:
            for padding, inputs in _with_and_without_padding(case.draw(source_length=source_length, steps=steps)):
                where = f"{case.label}, {source_length} positions, {steps} steps, {padding} padding"
                self._compare(kernel, case, inputs, where, limit)

    def _compare(self, kernel: Kernel, case: Case, inputs: Outputs, where: str, limit: Limit | None) -> None:
        contract, module, run = case.contract, case.module, case.run
        wanted = contract.with_gradients(copy.deepcopy(module).double(), to_double(inputs), run)
        refusals: list[Any] = []
        recording = attach_kernel(record_refusals(kernel, refusals), copy.deepcopy(module))
        found = contract.with_gradients(recording, inputs, run)
        self.expect(not refusals, f"{where}: leaves the call to the reference: {refusals[:1]}")
        if limit is None:
            self.expect_close(wanted, found, kernel.tolerance, where)
            return
        single = contract.with_gradients(copy.deepcopy(module), inputs, run)
        own = {name: relative_error(value, single[name]) for name, value in wanted.items()}
        for name, value in wanted.items():
            largest_error = limit(own[name], max(own.values()))
            self.expect_close({name: value}, found, largest_error, where)

    @rule
    def separate_gradients(self) -> None:
        """The gradients of two parameters share no memory: clipping writes to each of them."""
        kernel = self.part()
        for case in self.supported(kernel):
            module = case.module
            total = case.contract.weighted_sum(case.run(attach_kernel(kernel, module), case.draw()))
            if not total.requires_grad:
                continue
            total.backward()
            gradients = {name: x.grad for name, x in module.named_parameters() if x.grad is not None}
            wanted = {name: gradient / 2 for name, gradient in gradients.items()}
            for gradient in gradients.values():
                gradient.mul_(0.5)
            shared = [name for name, gradient in gradients.items() if not torch.equal(gradient, wanted[name])]
            self.expect(not shared, f"{case.label}: the gradients of {', '.join(shared)} share memory")

    @rule
    def same_without_gradients(self) -> None:
        """Outputs under `torch.no_grad` are the same."""
        kernel = self.part()
        for case in self.supported(kernel):
            inputs = case.draw()
            outputs = case.run(attach_kernel(kernel, case.module), inputs)
            with torch.no_grad():
                again = case.run(case.module, inputs)
            for name, value in outputs.items():
                found = difference(value, again[name], tolerance=1e-6)
                self.expect(found is None, f"{case.label}: {name} differ under no_grad: {found}")

    @rule
    def double_backward(self) -> None:
        """Gradients of gradients are those of the reference."""
        kernel = self.part()
        for case in self.supported(kernel):
            inputs, module = case.draw(), case.module
            wanted = _second_gradients(case, copy.deepcopy(module).double(), to_double(inputs))
            found = _second_gradients(case, attach_kernel(kernel, module), inputs)
            self.expect_close(wanted, found, 1e-3, f"{case.label}, gradients of gradients")


def _model_limit(kernel: Kernel) -> Limit:
    return lambda own, largest: max(kernel.tolerance, 2 * own)


def _with_and_without_padding(inputs: Outputs) -> Iterator[tuple[str, Outputs]]:
    if "mask" in inputs:
        yield "with", inputs
        inputs = inputs | {"mask": torch.ones_like(inputs["mask"])}
    yield "no", inputs


def _second_gradients(case: Case, module: nn.Module, inputs: Outputs) -> Outputs:
    """The gradient of the squared norm of all gradients, for each parameter that has one."""
    parameters = dict(module.named_parameters())
    total = case.contract.weighted_sum(case.run(module, inputs))
    if not total.requires_grad:
        return {}
    first = torch.autograd.grad(total, list(parameters.values()), create_graph=True, allow_unused=True)
    norm = sum(((x**2).sum() for x in first if x is not None), torch.zeros(()))
    second: Sequence[torch.Tensor | None] = [None] * len(parameters)
    if norm.requires_grad:
        second = torch.autograd.grad(norm, list(parameters.values()), allow_unused=True)
    pairs = zip(parameters.items(), second, strict=True)
    return {name: torch.zeros_like(x) if g is None else g for (name, x), g in pairs}
