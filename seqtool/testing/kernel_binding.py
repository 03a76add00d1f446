"""Give a part one kernel directly, without an engine that chooses kernels."""

from typing import Any

from seqtool.parts.kernel import Kernel


def attach_kernel(kernel: Kernel, part: Any) -> Any:
    """The part, whose method the kernel computes from now on."""
    part.kernels = {kernel.method: (kernel,)}
    return part


def record_refusals(kernel: Kernel, refusals: list[Any]) -> Kernel:
    """The same kernel, which appends to `refusals` why it does not compute a call itself."""
    own: Any = type(kernel)

    class Recording(own):  # type: ignore[misc]
        def verify(self, part: Any, *arguments: Any, **named: Any) -> str | None:
            reason: str | None = super().verify(part, *arguments, **named)
            if reason is not None:
                refusals.append(reason)
            return reason

        def reference(self, part: Any, *arguments: Any, **named: Any) -> Any:
            refusals.append("it calls the reference")
            return super().reference(part, *arguments, **named)

    found: Kernel = Recording()
    return found
