"""Reads a constructor: positional parameters are sizes, keyword-only parameters are options."""

import inspect
from dataclasses import dataclass

from seqtool.errors import PartError


@dataclass(frozen=True)
class Constructor:
    """What a part's constructor takes. Annotations are resolved, strings included."""

    sizes: tuple[inspect.Parameter, ...]
    options: tuple[inspect.Parameter, ...]

    def takes(self, count: int) -> bool:
        """Whether it can be called with `count` sizes."""
        required = sum(size.default is inspect.Parameter.empty for size in self.sizes)
        return required <= count <= len(self.sizes)


def read_constructor(part: type) -> Constructor:
    """The sizes and options of a class.

    Raises:
        PartError: the constructor does not say what it takes: `*args`, `**kwargs`, an option without an
            annotation, one that cannot be evaluated, or no constructor of its own (torch's takes anything).
    """
    try:
        parameters = tuple(inspect.signature(part, eval_str=True).parameters.values())
    except Exception as error:  # annotations given as strings are code of the plugin
        raise PartError(f"its constructor cannot be read: {type(error).__name__}: {error}") from error
    if any(parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) for parameter in parameters):
        raise PartError(
            "its constructor takes *args or **kwargs, so nobody can see its options: "
            "give the class an __init__ of its own that names them"
        )
    options = tuple(parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)
    bare = [option.name for option in options if option.annotation is inspect.Parameter.empty]
    if bare:
        raise PartError(f"its options need a type annotation: {', '.join(bare)}")
    return Constructor(tuple(parameter for parameter in parameters if parameter not in options), options)
