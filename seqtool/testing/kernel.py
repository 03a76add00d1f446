"""The contract of a kernel: it computes what the method of its part computes."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import torch

from seqtool.parts.kernel import Kernel, is_accelerated
from seqtool.registry.registry import part_name
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, difference
from seqtool.testing.kernel_binding import attach_kernel
from seqtool.testing.kernel_cases import device_type, to_double
from seqtool.testing.kernel_interference import KernelInterferenceRules
from seqtool.testing.kernel_numbers import KernelNumberRules
from seqtool.testing.optimizer_kernel import OptimizerKernelRules


class KernelContract(KernelNumberRules, KernelInterferenceRules, OptimizerKernelRules):
    """`build()` returns the kernel. It is checked with its `examples`, and with each of their other options in turn."""

    kind = "kernel"

    def exercise(self, part: Kernel) -> Outputs:
        """Every supported case once."""
        found: Outputs = {}
        for case in self.supported(part):
            outputs = case.run(attach_kernel(part, case.module), case.draw())
            found |= {f"{name} of {case.label}": x for name, x in outputs.items()}
        return found

    @rule
    def available(self) -> None:
        """It is available on this machine; the other rules require it."""
        why = self.part().unavailable()
        self.expect(why is None, f"is not available here: {why}")

    @rule
    def examples_cover_parts(self) -> None:
        """Its examples cover all of its `parts`, whose method is marked `@accelerated`."""
        kernel = self.part()
        parts: list[Any] = [case.module for case in self.supported(kernel)]
        parts += [optimizer for _, optimizer, _ in self.optimizers(kernel)]
        for part in parts:
            marked = is_accelerated(part, kernel.method)
            self.expect(marked, f"{type(part).__name__}.{kernel.method} is not marked @accelerated")
        names = {part_name(part) for part in parts}
        same = names == set(kernel.parts)
        self.expect(same, f"its examples are of {', '.join(sorted(names)) or 'no part'}, and parts is {kernel.parts}")

    @rule
    def gives_reasons(self) -> None:
        """`unsupported` returns None or a reason, the same in every dtype; examples are supported."""
        kernel = self.part()
        for case in self.cases(kernel):
            why = kernel.unsupported(case.module)
            self.expect(why is None or (isinstance(why, str) and why != ""), f"unsupported({case.label}) is {why!r}")
            self.expect(why is None or not case.is_example, f"does not support its own example {case.label}: {why}")
            again = kernel.unsupported(copy.deepcopy(case.module).double())
            self.expect(why == again, f"unsupported({case.label}) is {why!r} in float32 and {again!r} in float64")

    @rule
    def defers_to_reference(self) -> None:
        """In other dtypes and under autocast the reference runs."""
        kernel = self.part()
        for case in self.supported(kernel):
            inputs, run = case.draw(), case.run
            double = copy.deepcopy(case.module).double()
            wanted = run(double, to_double(inputs))
            found = run(attach_kernel(kernel, double), to_double(inputs))
            with torch.autocast(device_type(kernel), dtype=torch.bfloat16):
                wanted |= {f"{name} under autocast": x for name, x in run(case.module, inputs).items()}
                mixed = run(attach_kernel(kernel, case.module), inputs)
                found |= {f"{name} under autocast": x for name, x in mixed.items()}
            for name, value in wanted.items():
                words = difference(value, found[name], exact=True)
                self.expect(words is None, f"{case.label}: {name} are not the reference's: {words}")

    @rule
    def same_state_dict(self) -> None:
        """A kernel does not change a part's `state_dict`; copies, pickled or not, compute with their own parameters."""
        kernel = self.part()
        for case in self.supported(kernel):
            inputs, run, module = case.draw(), case.run, case.module
            before = list(module.state_dict())
            plain = copy.deepcopy(module)
            other = copy.deepcopy(attach_kernel(kernel, module))
            self.expect(list(module.state_dict()) == before, f"{case.label}: its state_dict changes")
            with torch.no_grad():
                for parameter in (*plain.parameters(), *other.parameters()):
                    parameter.mul_(0.5)
            wanted = run(plain.double(), to_double(inputs))
            self.expect_close(wanted, run(other, inputs), kernel.tolerance, f"{case.label}, copied and changed")
            loaded = pickle.loads(pickle.dumps(other))
            self.expect_close(wanted, run(loaded, inputs), kernel.tolerance, f"{case.label}, pickled and loaded")


def check_kernel(build: Callable[[], Kernel], *, name: str = "") -> None:
    """Check a kernel against its contract. `build()` returns it.

    Raises:
        ContractViolation: the rule that is broken, in words.
    """
    KernelContract(build, name=name).check()
