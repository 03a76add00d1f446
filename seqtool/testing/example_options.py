"""Example options of a part, read from its constructor, to build any part for its contract."""

import contextlib
import inspect
import itertools
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from seqtool.errors import PartError
from seqtool.registry.options import Example, Factory, Named, SlotKind
from seqtool.registry.signature import read_constructor
from seqtool.testing.stand_ins import STAND_INS

EXAMPLE_SIZES = (31, 29, 23, 19)
"""The values of the integers that a constructor requires, in order."""

_LIMITS = ("ge", "gt", "le", "lt")


def example_options(part: type) -> dict[str, Any]:
    """Values of the required options of a part, and `STAND_INS` for all of its slots.

    Integers are different primes, the largest first.

    Raises:
        PartError: a required option has a type without example values.
    """
    numbers = iter(EXAMPLE_SIZES)
    options = {}
    for option in read_constructor(part).options:
        required = option.default is inspect.Parameter.empty
        if required or isinstance(option.default, Named):
            try:
                options[option.name] = _example(option.annotation, numbers)
            except LookupError as error:
                raise PartError(
                    f"no example for the option {option.name}: {error.args[0]}", option=option.name
                ) from error
    return options


def variations(part: type, accepts: Callable[[dict[str, Any]], Any]) -> Iterator[dict[str, Any]]:
    """For each option values other than the default: every choice of a `Literal`, the other bool, another number.

    Yields updates of `example_options(part)`. `accepts` builds the part with all options; an update that it refuses
    with a `PartError` is combined with each other update, and omitted if all combinations are refused.
    """
    base = example_options(part)
    changes = [
        {option.name: value}
        for option in read_constructor(part).options
        for value in _others(option.annotation, base.get(option.name, option.default))
    ]
    for change in changes:
        others = (other for other in changes if other.keys() != change.keys())
        for candidate in itertools.chain([change], (change | other for other in others)):
            try:
                accepts(base | candidate)
            except PartError:
                continue
            yield candidate
            break


def _example(annotation: Any, numbers: Iterator[int]) -> Any:
    kind, limits = _slot_kind(annotation), _limits(annotation)
    for note in getattr(annotation, "__metadata__", ()):
        if isinstance(note, Example):
            return note.value
    if kind is not None:
        return _stand_in(kind)
    bare = _bare(annotation)
    origin, arguments = get_origin(bare), get_args(bare)
    if origin is Factory:
        return _filled_factory(arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin in (Union, types.UnionType):
        return _example(next(a for a in arguments if a is not type(None)), numbers)
    if origin in (list, tuple):
        return origin([_example(arguments[0], numbers), _example(arguments[0], numbers)])
    if bare is bool:
        return False
    if bare is int:
        return _within(next(numbers), limits)
    if bare is float:
        return _within(0.5, limits)
    raise LookupError(f"{annotation} is not a number, a choice or a slot; pass a value")


def _others(annotation: Any, default: Any) -> Iterator[Any]:
    """Values that differ from `default`."""
    bare = _bare(annotation)
    origin, arguments = get_origin(bare), get_args(bare)
    if origin in (Union, types.UnionType):
        kinds = [argument for argument in arguments if argument is not type(None)]
        if default is None:
            with contextlib.suppress(LookupError):  # no example for a text
                yield _example(kinds[0], iter((2,)))
        else:
            yield from _others(kinds[0], default)
            if len(kinds) < len(arguments):
                yield None
    elif origin is Literal:
        yield from (choice for choice in arguments if choice != default)
    elif origin is tuple and get_origin(_bare(arguments[0])) is Literal:
        choices = get_args(_bare(arguments[0]))
        yield from (some for some in [*((choice,) for choice in choices), choices] if some != default)
    elif bare is bool:
        yield not default
    elif bare is int:
        if (more := _within(default + 1, _limits(annotation))) != default:
            yield more
    elif bare is float and (other := _within(default / 2 or 0.5, _limits(annotation))) != default:
        yield other


def _slot_kind(annotation: Any) -> str | None:
    """The kind of part that fills a slot; None if it is not a slot or has no kind."""
    for note in getattr(annotation, "__metadata__", ()):
        if isinstance(note, SlotKind):
            return note.kind
    bare = _bare(annotation)
    return getattr(get_args(bare)[0], "kind", None) if get_origin(bare) is Factory else None


def _stand_in(kind: str) -> type:
    if kind not in STAND_INS:
        raise LookupError(f"there is no stand-in for a {kind}")
    return STAND_INS[kind]


def _filled_factory(owner: type) -> Callable[..., Any]:
    """A factory of a class without a kind, such as Attention, with its slots filled."""
    options = example_options(owner)
    return lambda *sizes: owner(*sizes, **options)


def _bare(annotation: Any) -> Any:
    return _bare(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _limits(annotation: Any) -> dict[str, Any]:
    """The bounds of a number, by annotated_types."""
    notes = getattr(annotation, "__metadata__", ())
    return {name: getattr(note, name) for note in notes for name in _LIMITS if getattr(note, name, None) is not None}


def _within(number: Any, limits: dict[str, Any]) -> Any:
    step = type(number)(1)
    low = limits.get("ge", limits["gt"] + step if "gt" in limits else number)
    high = limits.get("le", limits["lt"] - step if "lt" in limits else number)
    if "gt" in limits and number > limits["gt"]:
        low = number
    if "lt" in limits and number < limits["lt"]:
        high = number
    return max(low, min(number, high))
