"""What the contract of a kernel is checked with: the modules of its examples, and inputs for them."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn

from seqtool.build.assembly import make
from seqtool.errors import SeqtoolError
from seqtool.parts.cell import Cell
from seqtool.parts.kernel import Kernel
from seqtool.testing.attention import AttentionContract
from seqtool.testing.cell import CellContract
from seqtool.testing.contract import Contract
from seqtool.testing.decoder import DecoderContract
from seqtool.testing.differences import Outputs, named_leaves, relative_error
from seqtool.testing.embedding import EmbeddingContract
from seqtool.testing.encoder import EncoderContract
from seqtool.testing.example_options import variations
from seqtool.testing.gradients import GradientContract
from seqtool.testing.model import ModelContract, example_model
from seqtool.testing.module_contract import Run
from seqtool.testing.optimizer_kernel import OPTIMIZERS
from seqtool.testing.scorer import ScorerContract

CONTRACTS: Mapping[str, type[GradientContract]] = {
    contract.kind: contract
    for contract in (
        AttentionContract, CellContract, DecoderContract, EmbeddingContract, EncoderContract, ModelContract,
        ScorerContract,
    )
}  # fmt: skip


class Case(NamedTuple):
    """A module, its description, the contract of its kind, and whether it is an example or a variation of one."""

    label: str
    contract: GradientContract
    module: nn.Module
    is_example: bool

    @property
    def run(self) -> Run:
        """How the part is used; a cell twice in succession, so that the second call starts from a nonzero state."""
        return _unroll_twice if self.contract.kind == "cell" else self.contract.run

    def draw(self, **sizes: int) -> Outputs:
        """Inputs in float32, on the device of the module."""
        device = next((x.device for x in self.module.parameters()), torch.device("cpu"))
        return {name: x.to(device) for name, x in self.contract.draw(self.module, **sizes, dtype=torch.float32).items()}


class KernelCases(Contract):
    """Builds the cases of a kernel. Kernels of optimizers have none."""

    contracts: ClassVar[Mapping[str, type[GradientContract]]] = CONTRACTS

    def examples(self, kernel: Kernel) -> Iterator[Case]:
        """The kernel's examples."""
        return (case for case in self.cases(kernel) if case.is_example)

    def supported(self, kernel: Kernel) -> Iterator[Case]:
        """The examples and variations that the kernel supports."""
        return (case for case in self.cases(kernel) if kernel.unsupported(case.module) is None)

    def cases(self, kernel: Kernel) -> Iterator[Case]:
        """The examples and, for each other option in turn, a variation, in float32."""
        device = device_type(kernel)
        for spec, options in kernel.examples:
            if spec.startswith(OPTIMIZERS):
                continue
            contract = self._contract(spec, options)
            module = contract.part(torch.float32).to(device)
            yield Case(f"{spec} {options}", contract, module, True)
            for change in variations(type(module), lambda given: given) if spec != "model" else ():
                contract = self._contract(spec, {**options, **change})
                try:
                    varied = contract.part(torch.float32).to(device)
                except SeqtoolError:
                    continue
                yield Case(f"{spec} {dict(options) | change}", contract, varied, False)

    def _contract(self, spec: str, options: Mapping[str, Any]) -> GradientContract:
        if spec == "model":
            return ModelContract(lambda: example_model(**options), name=spec)
        kind = spec.partition("/")[0]
        return self.contracts[kind](lambda *sizes: make(spec, *sizes, **options), name=spec)

    def expect_close(self, wanted: Outputs, found: Outputs, tolerance: float, where: str) -> None:
        """Fail where an error relative to the largest number of a tensor is above `tolerance`."""
        for name, value in wanted.items():
            error = relative_error(value, found[name])
            self.expect(error <= tolerance, f"{where}: {name} are off by {error:.1e} of the largest number")


def device_type(kernel: Kernel) -> str:
    """The type of device to check a kernel on: the CPU if it works there or there is no other."""
    return "cuda" if "cpu" not in kernel.devices and torch.cuda.is_available() else "cpu"


def to_double(inputs: Outputs) -> Outputs:
    """The inputs, those of floating point in float64."""
    return {name: x.double() if x.is_floating_point() else x for name, x in inputs.items()}


def _unroll_twice(part: Cell, inputs: Outputs) -> Outputs:
    x, mask = inputs["x"], inputs["mask"]
    fixed, state = part.start(len(x), x)
    first, state = part.unroll(x, mask, fixed, state)
    outputs, state = part.unroll(x.flip(1), mask, fixed, state)
    return {"outputs": outputs, "first outputs": first, **named_leaves(state, "state")}
