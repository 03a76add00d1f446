"""The rules of gradients: correct derivatives, for all parameters, finite for padding and for huge inputs."""

import itertools
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError, gradcheck
from torch.func import functional_call

from seqtool.errors import SeqtoolError
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, changes, difference, snapshot
from seqtool.testing.module_contract import ModuleContract, Run

LONG_SOURCE, LONG_TARGET = 200, 30


class GradientContract(ModuleContract):
    """The rules of gradients.

    Attributes:
        extreme: the factor of inputs in the rule `extreme_inputs`.
    """

    extreme: ClassVar[float] = 1e4

    def weighted_sum(self, outputs: Outputs) -> Tensor:
        """A weighted sum of all floating-point outputs, with a random weight for each number."""
        self.generator.manual_seed(2)
        floats = [x for x in outputs.values() if x.is_floating_point()]
        return sum(((x * self.randn(*x.shape, dtype=x.dtype).to(x.device)).sum() for x in floats), torch.zeros(()))

    def with_gradients(self, part: nn.Module, inputs: Outputs, run: Run) -> Outputs:
        """The outputs, and the gradient of their weighted sum with respect to inputs and parameters."""
        given = {name: x.clone().requires_grad_(x.is_floating_point()) for name, x in inputs.items()}
        leaves = _leaves(part, given)
        outputs = run(part, given)
        total = self.weighted_sum(outputs)
        grads: Sequence[Tensor | None] = [None] * len(leaves)
        if total.requires_grad and leaves:
            grads = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        named = zip(leaves.items(), grads, strict=True)
        return outputs | {f"gradients of {n}": torch.zeros_like(x) if g is None else g for (n, x), g in named}

    def with_gradients_from_seed(self, part: nn.Module, inputs: Outputs, run: Run) -> Outputs:
        """`with_gradients`, with torch's global generator seeded first."""
        torch.default_generator.manual_seed(0)
        return self.with_gradients(part, inputs, run)

    @rule
    def padding_gradient(self) -> None:
        """Inputs at padding get no gradient."""
        if not self.hostile_padding:
            return
        part = self.part()
        inputs = self.draw(part)
        found = self.with_gradients(part, inputs, self.run)
        for name, axis in self.source_axes.items():
            if inputs[name].is_floating_point():
                at_padding = found[f"gradients of {name}"].movedim(axis, 1)[~inputs["mask"]]
                self.expect(not at_padding.any(), f"{name} gets a gradient at padding")

    @rule
    def long_inputs(self) -> None:
        """Long inputs give finite outputs and gradients in a newly built part in float32, or a `SeqtoolError`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            part = self._build().eval()
        try:
            outputs = self.with_gradients(
                part, self.draw(part, source_length=LONG_SOURCE, steps=LONG_TARGET, dtype=torch.float32), self.run
            )
        except SeqtoolError:
            return
        self.expect_finite(outputs, f"with {LONG_SOURCE} positions and {LONG_TARGET} steps")

    @rule
    def mixed_precision(self) -> None:
        """It works under autocast to bfloat16, with float32 and with bfloat16 inputs."""
        part = self.part(torch.float32)
        for dtype, run in itertools.product((torch.float32, torch.bfloat16), self.runs()):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                outputs = self.with_gradients(part, self.draw(part, dtype=dtype), run)
            self.expect_finite(outputs, f"under autocast to bfloat16, with {dtype} inputs")

    @rule
    def all_padding_row(self) -> None:
        """A row of only padding gives no NaN, forward or backward."""
        if not self.source_axes:
            return
        part = self.part()
        found = self.with_gradients(part, self.draw(part), self.run)
        self.expect_finite(found, "when row 2 has no real position")

    @rule
    def extreme_inputs(self) -> None:
        """Huge inputs give finite outputs and gradients, in float32."""
        part = self.part(torch.float32)
        inputs = self.draw(part, dtype=torch.float32)
        inputs = {name: x * self.extreme if x.is_floating_point() else x for name, x in inputs.items()}
        found = self.with_gradients(part, inputs, self.run)
        self.expect_finite(found, f"when inputs are {self.extreme:g} times as large")

    @rule
    def gradients(self) -> None:
        """Every gradient is the derivative: `torch.autograd.gradcheck` in float64."""
        part = self.part()
        inputs = self.draw(part)
        total = _Total(self, part, inputs)
        if self._is_derivative_along_one_direction(total):
            return
        for name, leaf in total.leaves.items():
            point = leaf.detach().clone().requires_grad_()
            try:
                gradcheck(lambda value, name=name: total({name: value}), (point,), atol=1e-6, rtol=1e-4, fast_mode=True)
            except GradcheckError as error:
                value = total({name: point})
                cut = not value.requires_grad
                if not cut:
                    (grad,) = torch.autograd.grad(value, point, allow_unused=True)
                    cut = grad is None or not grad.any()
                what = "is cut somewhere" if cut else "is not the derivative"
                self.fail(f"the gradient with respect to {name} {what}\n{' '.join(str(error).split())}")

    def _is_derivative_along_one_direction(self, total: "_Total") -> bool:
        """Whether the derivative along one random direction, over all inputs and parameters, is correct.

        Each tensor contributes about equally, so a relative error of 1e-4 in one gradient is detected. A kink nearby
        may fail as well; the checks of single tensors, which take longer, decide then.
        """
        found = self.with_gradients(total.part, total.inputs, self.run)
        directions = {}
        for name, leaf in total.leaves.items():
            draw = self.randn(*leaf.shape)
            scale = found[f"gradients of {name}"].norm().clamp(min=1e-2) * draw.norm().clamp(min=1e-2)
            directions[name] = draw / scale

        def along(distance: Tensor) -> Tensor:
            return total({name: leaf.detach() + distance * directions[name] for name, leaf in total.leaves.items()})

        start = torch.zeros((), dtype=torch.float64, requires_grad=True)
        try:
            return gradcheck(along, (start,), atol=1e-7, rtol=1e-5)
        except GradcheckError:
            return False

    @rule
    def training_mode(self) -> None:
        """In training mode, parameters get gradients, and steps, rows, padding and side effects follow the same rules.

        Random numbers are drawn from the same seed. Rows and padding are compared for parts that draw none.
        """
        part = self.part().train()
        inputs = self.draw(part)
        before = snapshot(part)
        first, *others = (self.with_gradients_from_seed(part, inputs, run) for run in self.runs())
        draws = not torch.equal(torch.get_rng_state(), torch.Generator().manual_seed(0).get_state())
        changed = changes(before, snapshot(part))
        self.expect(not changed, f"use in training mode writes on self.{', self.'.join(changed)}; pass it as state")
        for name, parameter in part.named_parameters():
            learns = not parameter.requires_grad or bool(first[f"gradients of {name}"].any())
            self.expect(learns, f"the parameter {name} gets no gradient")
        for other in others:
            self.expect_equal(
                first,
                other,
                lambda name, row, values: (
                    f"row {row}'s {name} differ between unroll and a loop of step in training mode: {values}"
                ),
                tolerance=1e-6,
            )
        evaluated = self.run(part.eval(), inputs)
        if not draws and any(difference(x, first[name], exact=True) for name, x in evaluated.items()):
            self.expect_independent_rows(part.train(), inputs, " in training mode")
            self.expect_independent_of_padding(part, inputs, " in training mode")


class _Total:
    """The weighted sum of a part's outputs as a function of its inputs and parameters."""

    def __init__(self, contract: GradientContract, part: nn.Module, inputs: Outputs) -> None:
        self.contract = contract
        self.part = part
        self.inputs = inputs
        self.leaves = _leaves(part, inputs)
        self._module = _Runner(part, contract.run)

    def __call__(self, values: Outputs) -> Tensor:
        """The sum for these values of the named inputs and parameters."""
        parameters = {f"part.{name}": x for name, x in values.items() if name not in self.inputs}
        inputs = self.inputs | {name: x for name, x in values.items() if name in self.inputs}
        return self.contract.weighted_sum(functional_call(self._module, parameters, (inputs,)))


class _Runner(nn.Module):
    """A part and its `run` as one module, for `functional_call`."""

    def __init__(self, part: nn.Module, run: Run) -> None:
        super().__init__()
        self.part = part
        self.use = run

    def forward(self, inputs: Outputs) -> Outputs:
        """Use the part."""
        return self.use(self.part, inputs)


def _leaves(part: nn.Module, inputs: Outputs) -> dict[str, Tensor]:
    """The tensors that can have a gradient, by name."""
    return {name: x for name, x in inputs.items() if x.is_floating_point()} | dict(part.named_parameters())
