"""Decoders."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The decoders of this package."""
    yield Component("decoder", "plain", "seqtool_decoders.plain:Plain", "no attention, the encoder's final state")
    yield Component(
        "decoder",
        "attend_before",
        "seqtool_decoders.attend_before:AttendBefore",
        "context, then the cell (Bahdanau)",
    )
    yield Component(
        "decoder",
        "attend_after",
        "seqtool_decoders.attend_after:AttendAfter",
        "the cell, then context (Luong)",
    )
    yield Component(
        "decoder",
        "attend_inside",
        "seqtool_decoders.attend_inside:AttendInside",
        "context between two cells (Nematus' conditional GRU)",
    )
    yield Component("decoder", "attend_only", "seqtool_decoders.attend_only:AttendOnly", "the context alone (Raffel)")
    yield Component("decoder", "pointer", "seqtool_decoders.pointer:Pointer", "the weights are the output (Vinyals)")
    yield Component(
        "decoder",
        "pointer_generator",
        "seqtool_decoders.pointer_generator:PointerGenerator",
        "any decoder, which may also copy (See)",
    )
