"""The contract of a kernel, as rules: the numbers of the part that it stands in for."""

import copy
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from seqtool.build.assembly import make
from seqtool.errors import PartError, SeqtoolError
from seqtool.parts.kernel import Kernel, is_accelerated
from seqtool.registry.registry import part_name
from seqtool.testing.attention import AttentionContract
from seqtool.testing.cell import CellContract
from seqtool.testing.contract import rule
from seqtool.testing.decoder import DecoderContract
from seqtool.testing.differences import Outputs, difference
from seqtool.testing.embedding import EmbeddingContract
from seqtool.testing.encoder import EncoderContract
from seqtool.testing.example_options import variations
from seqtool.testing.gradients import GradientContract, Run
from seqtool.testing.kernel_binding import bound, watched
from seqtool.testing.kernel_notice import KernelNoticeRules, Try, drawn, error_of, run_of
from seqtool.testing.model import ModelContract, example_model
from seqtool.testing.optimizer_kernel import OPTIMIZERS, OptimizerKernelRules
from seqtool.testing.scorer import ScorerContract

LENGTHS = ((1, 1), (2, 2), (63, 3), (7, 63))
"""Source positions and target steps to try."""
CONTRACTS = (
    AttentionContract,
    CellContract,
    DecoderContract,
    EmbeddingContract,
    EncoderContract,
    ModelContract,
    ScorerContract,
)
MILD = 0.3
"""What a decoder's weights are multiplied with: feeding back what was seen amplifies the rounding of strong ones."""
CHAOS = 1e-3
"""How far off the reference's own numbers in the kernel's dtype may be before they are worth nothing."""


class KernelContract(KernelNoticeRules, OptimizerKernelRules):
    """`build()` makes the kernel. It is held against the parts of its `examples`, with every other option in turn."""

    kind = "kernel"
    contracts: ClassVar[Mapping[str, type[GradientContract]]] = {contract.kind: contract for contract in CONTRACTS}

    def exercise(self, part: Kernel) -> Outputs:
        """Every example once."""
        found: Outputs = {}
        for label, contract, module in self._modules(part):
            outputs = run_of(contract)(bound(part, module), drawn(contract, module))
            found |= {f"{name} of {label}": x for name, x in outputs.items()}
        return found

    @rule
    def available(self) -> None:
        """It can be used on this machine: what stands below is not tested else."""
        why = self.part().unavailable()
        self.expect(why is None, f"cannot be used here: {why}")

    @rule
    def knows_its_parts(self) -> None:
        """Its examples are of all parts of `parts`, whose method is marked `@accelerated`."""
        kernel = self.part()
        parts: list[Any] = [module for _, _, module in self._modules(kernel)]
        parts += [optimizer for _, optimizer, _ in self.optimizers(kernel)]
        for part in parts:
            marked = is_accelerated(part, kernel.method)
            self.expect(marked, f"{type(part).__name__}.{kernel.method} is not marked @accelerated")
        tried = {part_name(part) for part in parts}
        self.expect(
            tried == set(kernel.parts), f"serves {', '.join(sorted(tried)) or 'nothing'}, and says {kernel.parts}"
        )

    @rule
    def refuses_in_words(self) -> None:
        """`serves` is None or says why not, whatever the dtype; examples are served."""
        kernel = self.part()
        for label, _, module, example in self._built(kernel):
            why = kernel.unsupported(module)
            self.expect(why is None or (isinstance(why, str) and why != ""), f"serves {label} with {why!r}")
            self.expect(why is None or not example, f"refuses its own example {label}: {why}")
            again = kernel.unsupported(copy.deepcopy(module).double())
            self.expect(why == again, f"says {why!r} of {label} in float32 and {again!r} in float64")

    @rule
    def same_numbers(self) -> None:
        """Outputs, final states and every gradient are the float64 reference's, at all lengths, with padding or not.

        Of a whole model, whose other parts round too, they may be twice as far off as the reference in float32.
        """
        tolerance = self.part().tolerance
        parts: list[Try] = []
        models: list[Try] = []
        for one in self._mild(self._modules(self.part())):
            (models if one[1].kind == "model" else parts).append(one)
        self._try_lengths(parts, lambda own: tolerance)
        self._try_lengths(models, lambda own: max(tolerance, 2 * own))

    @rule
    def strong_weights(self) -> None:
        """A decoder with strong weights is at most ten times as far off as the reference itself in the kernel's dtype.

        Rounding grows there from step to step. Where the reference is off by more than `CHAOS`, that tells nothing.
        """
        decoders = (one for one in self._modules(self.part()) if _feeds_back(one[1]))
        self._try_lengths(decoders, lambda own: max(self.part().tolerance, 10 * own) if own <= CHAOS else torch.inf)

    def _mild(self, modules: Iterable[Try]) -> Iterator[Try]:
        for label, contract, module in modules:
            if _feeds_back(contract):
                with torch.no_grad():
                    for parameter in module.parameters():
                        parameter.mul_(MILD)
            yield label, contract, module

    def _try_lengths(self, modules: Iterable[Try], allowed: Callable[[float], float]) -> None:
        """`allowed` tells, of the reference's own error in the kernel's dtype, how far off the kernel may be."""
        kernel = self.part()
        for label, contract, module in modules:
            for source_length, steps in LENGTHS:
                inputs = drawn(contract, module, source_length=source_length, steps=steps)
                for full in (False, True) if "mask" in inputs else (True,):
                    given = inputs | {"mask": torch.ones_like(inputs["mask"])} if full and "mask" in inputs else inputs
                    where = f"{label}, {source_length} positions, {steps} steps, {'no' if full else 'with'} padding"
                    self._expect_same(kernel, contract, module, given, where, allowed)

    @rule
    def gradients_of_their_own(self) -> None:
        """No two parameters' gradients stand in the same memory: clipping writes to each of them."""
        kernel = self.part()
        for label, contract, module in self._modules(kernel):
            total = contract.weighted_sum(run_of(contract)(bound(kernel, module), drawn(contract, module)))
            if not total.requires_grad:
                continue
            total.backward()
            gradients = {name: x.grad for name, x in module.named_parameters() if x.grad is not None}
            wanted = {name: of / 2 for name, of in gradients.items()}
            for of in gradients.values():
                of.mul_(0.5)
            shared = [name for name, of in gradients.items() if not torch.equal(of, wanted[name])]
            self.expect(not shared, f"{label}: the gradients of {', '.join(shared)} share memory")

    @rule
    def same_without_gradients(self) -> None:
        """Without a gradient the numbers are the same."""
        kernel = self.part()
        for label, contract, module in self._modules(kernel):
            inputs, run = drawn(contract, module), run_of(contract)
            outputs = run(bound(kernel, module), inputs)
            with torch.no_grad():
                again = run(module, inputs)
            for name, value in outputs.items():
                found = difference(value, again[name], tolerance=1e-6)
                self.expect(found is None, f"{label}: {name} differ under no_grad: {found}")

    @rule
    def twice(self) -> None:
        """A gradient may be taken of a gradient."""
        kernel = self.part()
        for label, contract, module in self._modules(kernel):
            inputs, run = drawn(contract, module), run_of(contract)
            wanted = _second(contract, copy.deepcopy(module).double(), _double(inputs), run)
            found = _second(contract, bound(kernel, module), inputs, run)
            self._expect_close(wanted, found, 1e-3, f"{label}, gradients of gradients")

    @rule
    def leaves_the_rest(self) -> None:
        """In another dtype, and under autocast, the reference computes."""
        kernel = self.part()
        for label, contract, module in self._modules(kernel):
            inputs, run = drawn(contract, module), run_of(contract)
            double = copy.deepcopy(module).double()
            wanted = run(double, _double(inputs))
            found = run(bound(kernel, double), _double(inputs))
            with torch.autocast(_device(kernel), dtype=torch.bfloat16):
                wanted |= {f"{name} under autocast": x for name, x in run(module, inputs).items()}
                mixed = run(bound(kernel, module), inputs)
                found |= {f"{name} under autocast": x for name, x in mixed.items()}
            for name, value in wanted.items():
                words = difference(value, found[name], exact=True)
                self.expect(words is None, f"{label}: {name} are not the reference's: {words}")

    @rule
    def no_trace(self) -> None:
        """A part with a kernel has the same `state_dict`; copies of it, pickled or not, compute with their own."""
        kernel = self.part()
        for label, contract, module in self._modules(kernel):
            inputs, run = drawn(contract, module), run_of(contract)
            before = list(module.state_dict())
            plain = copy.deepcopy(module)
            other = copy.deepcopy(bound(kernel, module))
            self.expect(list(module.state_dict()) == before, f"{label}: its state_dict changes")
            with torch.no_grad():
                for parameter in (*plain.parameters(), *other.parameters()):
                    parameter.mul_(0.5)
            wanted = run(plain.double(), _double(inputs))
            self._expect_close(wanted, run(other, inputs), kernel.tolerance, f"{label}, copied and changed")
            loaded = pickle.loads(pickle.dumps(other))
            self._expect_close(wanted, run(loaded, inputs), kernel.tolerance, f"{label}, pickled and loaded")

    def _expect_same(
        self,
        kernel: Kernel,
        contract: GradientContract,
        module: nn.Module,
        inputs: Outputs,
        where: str,
        allowed: Callable[[float], float],
    ) -> None:
        run = run_of(contract)
        wanted = contract.with_gradients(copy.deepcopy(module).double(), _double(inputs), run)
        left: list[Any] = []
        found = contract.with_gradients(bound(watched(kernel, left), copy.deepcopy(module)), inputs, run)
        self.expect(not left, f"{where}: leaves the call to the reference: {left[:1]}")
        own = contract.with_gradients(copy.deepcopy(module), inputs, run)
        error = max((error_of(value, own[name]) for name, value in wanted.items()), default=0.0)
        self._expect_close(wanted, found, allowed(error), where)

    def _expect_close(self, wanted: Outputs, found: Outputs, tolerance: float, where: str) -> None:
        for name, value in wanted.items():
            error = error_of(value, found[name])
            self.expect(error <= tolerance, f"{where}: {name} are off by {error:.1e} of the largest number")

    def examples_of(self, kernel: Kernel) -> Iterator[Try]:
        """The modules among its examples, with what they are and the contract of their kind."""
        for label, contract, module, example in self._built(kernel):
            if example:
                yield label, contract, module

    def _modules(self, kernel: Kernel) -> Iterator[Try]:
        """What it serves of the modules among its examples and of their variations."""
        for label, contract, module, _ in self._built(kernel):
            if kernel.unsupported(module) is None:
                yield label, contract, module

    def _built(self, kernel: Kernel) -> Iterator[tuple[str, GradientContract, nn.Module, bool]]:
        """Each example and its variations in float32: what it is, its kind's contract, the part, if an example."""
        for spec, options in kernel.examples:
            if spec.startswith(OPTIMIZERS):
                continue
            contract = self._contract(spec, options)
            module = contract.part(torch.float32).to(_device(kernel))
            yield f"{spec} {options}", contract, module, True
            for change in variations(type(module), lambda given: given) if spec != "model" else ():
                other = self._contract(spec, {**options, **change})
                try:
                    yield (
                        f"{spec} {dict(options) | change}",
                        other,
                        other.part(torch.float32).to(_device(kernel)),
                        False,
                    )
                except (PartError, SeqtoolError):
                    continue

    def _contract(self, spec: str, options: Mapping[str, Any]) -> GradientContract:
        if spec == "model":
            return ModelContract(lambda: example_model(**options), name=spec)
        kind = spec.partition("/")[0]
        return self.contracts[kind](lambda *sizes: make(spec, *sizes, **options), name=spec)


def _device(kernel: Kernel) -> str:
    """The type of device to try it on: the CPU if it works there, or if there is no other."""
    return "cuda" if "cpu" not in kernel.devices and torch.cuda.is_available() else "cpu"


def _feeds_back(contract: GradientContract) -> bool:
    return contract.kind == "decoder"


def _double(inputs: Outputs) -> Outputs:
    return {name: x.double() if x.is_floating_point() else x for name, x in inputs.items()}


def _second(contract: GradientContract, module: nn.Module, inputs: Outputs, run: Run) -> Outputs:
    """The gradient of the squared length of the gradient, for each parameter that has one."""
    parameters = dict(module.named_parameters())
    total = contract.weighted_sum(run(module, inputs))
    if not total.requires_grad:
        return {}
    first = torch.autograd.grad(total, list(parameters.values()), create_graph=True, allow_unused=True)
    length = sum(((x**2).sum() for x in first if x is not None), torch.zeros(()))
    second: Sequence[torch.Tensor | None] = [None] * len(parameters)
    if length.requires_grad:
        second = torch.autograd.grad(length, list(parameters.values()), allow_unused=True)
    pairs = zip(parameters.items(), second, strict=True)
    return {name: torch.zeros_like(x) if g is None else g for (name, x), g in pairs}


def check_kernel(build: Callable[[], Kernel], *, name: str = "") -> None:
    """Hold a kernel against its contract. `build()` makes it.

    Raises:
        ContractViolation: what is wrong, in words.
    """
    KernelContract(build, name=name).check()
