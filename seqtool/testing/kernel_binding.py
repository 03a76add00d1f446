"""Parts with one kernel, by hand: without an engine that chooses."""

from typing import Any

from seqtool.parts.kernel import Kernel


def bound(kernel: Kernel, part: Any) -> Any:
    """The part, whose method this kernel computes from now on where it can."""
    part.kernels = {kernel.method: (kernel,)}
    return part


def watched(kernel: Kernel, left: list[Any]) -> Kernel:
    """The same kernel, which also notes why it leaves a call to the reference: by `verify`, or by calling it."""
    own: Any = type(kernel)

    class Watched(own):  # type: ignore[misc]
        def verify(self, part: Any, *arguments: Any, **named: Any) -> str | None:
            reason: str | None = super().verify(part, *arguments, **named)
            if reason is not None:
                left.append(reason)
            return reason

        def reference(self, part: Any, *arguments: Any, **named: Any) -> Any:
            left.append("it calls the reference")
            return super().reference(part, *arguments, **named)

    found: Kernel = Watched()
    return found
