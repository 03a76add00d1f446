"""Proxies that check what a part does with its arguments, and replace its random draws."""

from collections.abc import Callable
from functools import partial
from inspect import ismethod
from typing import Any

import torch
from torch import Tensor

from seqtool.parts import tree


class Watched:
    """A part whose every call leaves its arguments unchanged, and may be followed by the same call with other rows.

    The second call has the same arguments in reverse order of rows, as a second sequence computed in turn would. Its
    result is discarded; a part that keeps tensors outside `fixed` and `state` then returns other results.

    Args:
        part: the part.
        fail: called with a message when a call changes an argument.
        interleave: whether to make the second call.
    """

    def __init__(self, part: Any, fail: Callable[[str], Any], *, interleave: bool) -> None:
        self.part = part
        self.fail = fail
        self.interleave = interleave

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.part, name)
        return partial(self._call, name, value) if ismethod(value) else value

    def __call__(self, *arguments: Any) -> Any:
        return self._call("forward", self.part, *arguments)

    def _call(self, name: str, method: Callable[..., Any], *arguments: Any) -> Any:
        given = _tensors(arguments)
        before = [x.detach().clone() for x in given]
        result = method(*arguments)
        for x, kept in zip(given, before, strict=True):
            if x.shape != kept.shape or not torch.equal(x.detach().nan_to_num(), kept.nan_to_num()):
                self.fail(f"{name} changes a tensor of shape {list(kept.shape)} that it is given")
        if self.interleave:
            method(*(tree.map(_reversed, x) if isinstance(x, Tensor | tuple) else x for x in arguments))
        return result


def _tensors(arguments: tuple[Any, ...]) -> list[Tensor]:
    return [leaf for x in arguments if isinstance(x, Tensor | tuple) for leaf in tree.leaves(x)]


def _reversed(x: Tensor) -> Tensor:
    return x.flip(0)
