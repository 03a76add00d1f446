"""The rules of a kernel of an optimizer's method: the same numbers, the same state."""

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from seqtool.build.assembly import make
from seqtool.errors import PartError, SeqtoolError
from seqtool.parts.clipping import ClippingOptimizer
from seqtool.parts.kernel import Kernel
from seqtool.parts.torch_internals import write_count
from seqtool.testing.contract import Contract, rule
from seqtool.testing.differences import Outputs, difference
from seqtool.testing.example_options import variations
from seqtool.testing.kernel_binding import attach_kernel, record_refusals

SHAPES = ((3,), (23, 7), (300, 301), (5,), ())
"""Of parameters: smaller than a vector, not a multiple of one, for several threads; the last gets no gradient."""
OWN_GROUP = 3
"""The index of the first parameter of the second group, which has another learning rate."""
OPTIMIZERS = "optimizer/"
"""The prefix of examples that are optimizers."""
STEPS = 6
LIMIT = 4.0
Case = tuple[str, torch.optim.Optimizer, bool]
"""Description, optimizer of float32 parameters, whether it is an example or a variation."""


class OptimizerKernelRules(Contract):
    """Rules of kernels whose examples are optimizers."""

    @rule
    def matches_reference_updates(self) -> None:
        """Parameters, gradients and state equal those of the float64 reference, and autograd is notified of all writes.

        The first step, which creates the state, may run the reference.
        """
        for kernel, label, optimizer in self._served():
            refusals: list[Any] = []
            wanted, found = (
                _double(optimizer),
                attach_kernel(record_refusals(kernel, refusals), copy.deepcopy(optimizer)),
            )
            ours, theirs = self._trained(found), self._trained(wanted)
            for name, value in theirs.items():
                error = float((ours[name].double() - value).abs().max() / value.abs().max().clamp(min=1e-30))
                tolerance = kernel.tolerance
                self.expect(error <= tolerance, f"{label}: {name} is off by {error:.1e} of the largest number")
                reported = write_count(ours[name]) > 0 or write_count(value) == 0
                self.expect(reported, f"{label}: autograd is not told that {name} was written to")
            self.expect(len(refusals) <= 1, f"{label}: leaves {len(refusals)} of {STEPS} calls to the reference")

    @rule
    def same_state(self) -> None:
        """The reference can continue from its state, and it from the reference's, also with another learning rate."""
        for kernel, label, optimizer in self._served():
            plain, taken = copy.deepcopy(optimizer), attach_kernel(kernel, copy.deepcopy(optimizer))
            for one in (plain, taken):
                self._trained(one)
            for source in (plain, taken):
                found = []
                for use_kernel in (False, True):
                    other = _restored(source)
                    found.append(self._trained(attach_kernel(kernel, other) if use_kernel else other, lr=0.003))
                for name, value in found[0].items():
                    words = difference(value, found[1][name], tolerance=1e-5)
                    self.expect(words is None, f"{label}, continued from a state: {name} differs: {words}")

    @rule
    def defers_other_updates(self) -> None:
        """The reference runs for parameters of another dtype and for gradients that are not contiguous."""
        for kernel, label, optimizer in self._served():
            for what, other in (("float64", _double(optimizer)), ("transposed gradients", optimizer)):
                transposed = other is optimizer
                found = self._trained(attach_kernel(kernel, copy.deepcopy(other)), transposed=transposed)
                for name, value in self._trained(copy.deepcopy(other), transposed=transposed).items():
                    words = difference(value, found[name], exact=True)
                    self.expect(words is None, f"{label}, {what}: {name} is not the reference's: {words}")

    @rule
    def closures_and_hooks(self) -> None:
        """`step` runs its closure with gradients enabled and returns its result; hooks run."""
        for kernel, label, optimizer in self._served():
            if kernel.method != "step":
                continue
            taken = attach_kernel(kernel, copy.deepcopy(optimizer))
            self._trained(taken)
            with torch.no_grad():
                result = taken.step(torch.is_grad_enabled)
            self.expect(
                result is True, f"{label}: step returns {result!r}, not the result of its closure with gradients"
            )
            for register in ("register_step_pre_hook", "register_step_post_hook"):
                hooked, seen = attach_kernel(kernel, copy.deepcopy(taken)), list[Any]()
                getattr(hooked, register)(partial(_note, seen))
                hooked.step()
                self.expect(len(seen) == 1, f"{label}: a hook of {register} ran {len(seen)} times at a step")

    def _served(self) -> Iterator[tuple[Kernel, str, torch.optim.Optimizer]]:
        kernel = self.part()
        for label, optimizer, example in self.optimizers(kernel):
            why = kernel.unsupported(optimizer)
            self.expect(why is None or not example, f"refuses its own example {label}: {why}")
            if why is None:
                yield kernel, label, optimizer

    def optimizers(self, kernel: Kernel) -> Iterator[Case]:
        """The optimizers among the examples, and their variations."""
        for spec, options in kernel.examples:
            if not spec.startswith(OPTIMIZERS):
                continue
            optimizer = make(spec, self._drawn(), **options)
            yield f"{spec} {options}", optimizer, True
            for change in variations(type(optimizer), lambda given: given):
                given = {**options, **{name: value for name, value in change.items() if name != "params"}}
                try:
                    yield f"{spec} {given}", make(spec, self._drawn(), **given), False
                except (PartError, SeqtoolError, ValueError):
                    continue

    def _drawn(self) -> list[dict[str, Any]]:
        self.generator.manual_seed(3)
        drawn = [nn.Parameter(self.randn(*shape, dtype=torch.float32)) for shape in SHAPES]
        return [{"params": drawn[:OWN_GROUP]}, {"params": drawn[OWN_GROUP:], "lr": 0.05}]

    def _trained(self, optimizer: Any, *, lr: float | None = None, transposed: bool = False) -> Outputs:
        """The parameters, gradients and state after some steps with different gradients, some of them clipped."""
        self.generator.manual_seed(4)
        *moved, _ = _parameters(optimizer)
        for k in range(STEPS):
            optimizer.zero_grad()
            kept = [i for i, parameter in enumerate(moved) if parameter.grad is not None]
            self.expect(not kept, f"zero_grad leaves the gradients of the parameters {kept}")
            for parameter in moved:
                gradient = self.randn(*parameter.shape).to(parameter.dtype) * (1.0 if k % 2 else 0.001)
                parameter.grad = gradient.t().contiguous().t() if transposed and gradient.dim() == 2 else gradient
            if isinstance(optimizer, ClippingOptimizer):
                optimizer.clip(LIMIT)
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] = lr or group["lr"] * 0.9
        outputs: Outputs = {f"parameter {i}": parameter.detach() for i, parameter in enumerate(_parameters(optimizer))}
        outputs |= {f"gradient {i}": parameter.grad for i, parameter in enumerate(moved) if parameter.grad is not None}
        for i, state in enumerate(optimizer.state_dict()["state"].values()):
            outputs |= {f"{name} of parameter {i}": value for name, value in state.items() if torch.is_tensor(value)}
        return outputs


def _note(seen: list[Any], *given: Any) -> None:
    seen.append(given)


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _double(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    other = copy.deepcopy(optimizer)
    for parameter in _parameters(other):
        parameter.data = parameter.data.double()
    return other


def _restored(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """A copy, whose state is restored from the `state_dict`."""
    other = copy.deepcopy(optimizer)
    other.state.clear()
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return other
