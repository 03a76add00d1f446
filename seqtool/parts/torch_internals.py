"""The private attributes of torch that seqtool reads, each with the reason. No other module uses one.

`tests/test_private_apis.py` and `tests/test_dispatch.py` fail when one of them changes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.optim import optimizer as torch_optimizer


def has_hooks(module: nn.Module) -> bool:
    """Whether a hook is registered on this module. torch has no public function for it."""
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def has_global_hooks() -> bool:
    """Whether a global module hook is registered. torch has no public function for it."""
    return bool(torch_module._has_any_global_hook())


def has_step_hooks(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a step hook is registered on this optimizer or globally. torch has no public function for it."""
    return bool(
        optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or torch_optimizer._global_optimizer_pre_hooks
        or torch_optimizer._global_optimizer_post_hooks
    )


def own_modules(module: nn.Module) -> Mapping[str, Any]:
    """The direct submodules of a module by name. Much faster than reading attributes of `nn.Module`."""
    return module._modules


def own_parameters(module: nn.Module) -> Mapping[str, Any]:
    """The direct parameters of a module by name. Much faster than reading attributes of `nn.Module`."""
    return module._parameters


def modules_within(modules: Iterable[nn.Module]) -> list[nn.Module]:
    """The modules and all their submodules, with duplicates. Much faster than `nn.Module.modules`."""
    found = list(modules)
    for module in found:
        if module._modules:
            found += [child for child in module._modules.values() if child is not None]
    return found


def is_transforming() -> bool:
    """Whether tracing or a transform of `torch.func` is active. torch has no public function for it."""
    return torch._C._get_tracing_state() is not None or torch._C._functorch.peek_interpreter_stack() is not None


def write_count(x: Tensor) -> int:
    """How often autograd saw a tensor modified in place.

    The only public sign is an error in `backward`, which needs a graph that saved the tensor.
    """
    return int(x._version)
