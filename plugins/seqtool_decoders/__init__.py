"""Decoders."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The decoders of this package."""
    yield Component(
        "decoder", "plain", "seqtool_decoders.plain:Plain", "no attention; starts from the encoder's final state"
    )
    yield Component(
        "decoder",
        "attend_before",
        "seqtool_decoders.attend_before:AttendBefore",
        "attention before the cell's step (Bahdanau)",
    )
    yield Component(
        "decoder",
        "attend_after",
        "seqtool_decoders.attend_after:AttendAfter",
        "attention after the cell's step (Luong)",
    )
    yield Component(
        "decoder",
        "attend_inside",
        "seqtool_decoders.attend_inside:AttendInside",
        "attention between two cells (the conditional GRU of Nematus)",
    )
    yield Component(
        "decoder", "attend_only", "seqtool_decoders.attend_only:AttendOnly", "attention without a cell (Raffel)"
    )
    yield Component(
        "decoder", "pointer", "seqtool_decoders.pointer:Pointer", "the attention weights are the output (Vinyals)"
    )
    yield Component(
        "decoder",
        "pointer_generator",
        "seqtool_decoders.pointer_generator:PointerGenerator",
        "any decoder with attention, which may also copy (See)",
    )
