"""A plugin whose parts use every form of option and slot that recipes support, and some that are refused.

Annotations are strings here, as in many third-party modules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from annotated_types import MinLen

from seqtool.api import Attention as RealAttention
from seqtool.api import Component, Factory, PartError, Positive, Probability, Size, hookimpl, named
from seqtool.parts.scorer import Scorer
from seqtool.parts.task import Task
from seqtool.registry.options import SlotKind


class Plain(Task):
    """Options only, some with names that naive schemas do not support."""

    def __init__(
        self,
        *,
        copy: Size,
        json: str = "x",
        schema: bool = False,
        betas: tuple[Probability, Probability] = (0.9, 0.99),
        sizes: list[Size] | Literal["auto"] = "auto",
        table: dict[str, Positive] | None = None,
        ratio: Positive | None = None,
    ) -> None:
        self.options = (copy, json, schema, betas, sizes, table, ratio)


class Slots(Task):
    """Every form of slot."""

    def __init__(
        self,
        *,
        one: Factory[Task],
        maybe: Factory[Scorer] | None = None,
        usual: Factory[Task] = named("plain"),
        loss: Annotated[Factory[Any], SlotKind("loss")] | None = None,
        several: list[Factory[Task]] | None = None,
        pair: Annotated[tuple[Factory[Task], ...], MinLen(2)] | None = None,
        attention: Factory[RealAttention] | None = None,
    ) -> None:
        self.slots = (one, maybe, usual, loss, several, pair, attention)


class Picky(Task):
    def __init__(self, *, low: int = 0, high: int = 1, wreck: bool = False) -> None:
        if wreck:
            raise ValueError("boom")
        if low > high:
            raise PartError("low lies above high", option="low", allowed="low <= high")
        if low == high:
            raise PartError("nothing lies between")


class Anything(Task):
    def __init__(self, **options: Any) -> None: ...


class Bare(Task):
    def __init__(self, *, size=3) -> None: ...  # type: ignore[no-untyped-def]


class Unwritable(Task):
    def __init__(self, *, function: Callable[[], int] = print) -> None: ...  # type: ignore[assignment]


class BadDefault(Task):
    def __init__(self, *, size: Size = 0) -> None: ...


class Endless(Task):
    def __init__(self, *, limit: float = float("inf")) -> None: ...


class Typed(Task):
    def __init__(self, *, type: str) -> None: ...


class Nameless(Task):
    def __init__(self, *, scorer: Factory[Any]) -> None: ...


class Mapped(Task):
    def __init__(self, *, scorers: dict[str, Factory[Scorer]]) -> None: ...


class Russian(Task):
    def __init__(self, *, inner: Factory[Task] = named("russian")) -> None: ...


class Unknown(Task):
    def __init__(self, *, size: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@hookimpl
def seqtool_components() -> Any:
    for part in (Plain, Slots, Picky, Anything, Bare, Unwritable, BadDefault, Endless, Typed, Nameless, Mapped):
        yield Component("task", part.__name__.lower(), part)
    yield Component("task", "russian", Russian)
    yield Component("task", "unknown", Unknown)
