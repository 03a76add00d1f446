"""Reads a constructor: positional parameters are sizes, keyword-only parameters are options."""

import inspect
from dataclasses import dataclass

from seqtool.errors import PartError


@dataclass(frozen=True)
class Constructor:
    """The parameters of a part's constructor, with annotations resolved from strings."""

    sizes: tuple[inspect.Parameter, ...]
    options: tuple[inspect.Parameter, ...]

    def takes(self, count: int) -> bool:
        """Whether the constructor can be called with `count` sizes."""
        required = sum(size.default is inspect.Parameter.empty for size in self.sizes)
        return required <= count <= len(self.sizes)

    def with_options_after(self, count: int) -> str:
        """The text of a constructor like this one with `count` sizes, whose other parameters are options."""
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        later = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in self.sizes[count:]]
        return f"def __init__{inspect.Signature([own, *self.sizes[:count], *later, *self.options])}"


def read_constructor(part: type) -> Constructor:
    """The sizes and options of a class.

    Raises:
        PartError: the constructor has `*args` or `**kwargs` (as the inherited one of `nn.Module`), an option without an
            annotation, or an annotation that cannot be evaluated.
    """
    try:
        parameters = tuple(inspect.signature(part, eval_str=True).parameters.values())
    except Exception as error:  # evaluating a string annotation runs code of the plugin
        raise PartError(f"its constructor cannot be read: {type(error).__name__}: {error}") from error
    if any(parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) for parameter in parameters):
        raise PartError(
            "its constructor takes *args or **kwargs, so its options are unknown: define an __init__ that names them"
        )
    options = tuple(parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)
    bare = [option.name for option in options if option.annotation is inspect.Parameter.empty]
    if bare:
        raise PartError(f"its options need a type annotation: {', '.join(bare)}")
    return Constructor(tuple(parameter for parameter in parameters if parameter not in options), options)
