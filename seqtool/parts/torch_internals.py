"""The private attributes of torch that seqtool reads, each with the reason; no other module names one.

`tests/test_private_apis.py` and `tests/test_dispatch.py` fail when one of them changes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.optim import optimizer as torch_optimizer


def has_hooks(module: nn.Module) -> bool:
    """Whether a hook is registered on this module. torch has no public way to ask."""
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def has_global_hooks() -> bool:
    """Whether a hook is registered on all modules. torch has no public way to ask."""
    return bool(torch_module._has_any_global_hook())


def has_step_hooks(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a hook is registered on the steps of this optimizer, or of all. torch has no public way to ask."""
    return bool(
        optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or torch_optimizer._global_optimizer_pre_hooks
        or torch_optimizer._global_optimizer_post_hooks
    )


def own_modules(module: nn.Module) -> Mapping[str, Any]:
    """The modules held by a module itself, by name; an attribute of `nn.Module` takes many times as long to read."""
    return module._modules


def own_parameters(module: nn.Module) -> Mapping[str, Any]:
    """The parameters held by a module itself, by name; an attribute of `nn.Module` takes many times as long to read."""
    return module._parameters


def modules_within(modules: Iterable[nn.Module]) -> list[nn.Module]:
    """The modules and all within them; `nn.Module.modules` takes many times as long, for names and duplicates."""
    found = list(modules)
    for module in found:
        if module._modules:
            found += [child for child in module._modules.values() if child is not None]
    return found


def is_transforming() -> bool:
    """Whether a call is traced, or within a transform of `torch.func`, which has no public way to ask."""
    return torch._C._get_tracing_state() is not None or torch._C._functorch.peek_interpreter_stack() is not None


def write_count(x: Tensor) -> int:
    """How often a tensor was written to in place, as autograd counts it.

    The public sign, an error in `backward`, needs a graph that saved the tensor.
    """
    return int(x._version)
