"""The arguments of `seqtool_attend`: the fields of `Loop` in csrc/attend.h, in the same order."""

import ctypes
from typing import NamedTuple

SIZES = """threads backward B T S E M H K P hidden D F gru scorer variant softmax
    query_h query_c query_x query_size feed_x feed_attended feed_size features_h features_context features_x
    x_row x_step mask_row grad_features_row grad_features_step symbols"""
POINTERS = """x values keys ids projected mask
    weight_ih weight_hh bias_ih bias_hh query_map query_bias window window_bias vector combine
    first_h first_c first_mean first_fed last_h last_c last_mean last_fed
    z c mean gates query_hidden query joined weights features grad_features grad_weights grad_h grad_c grad_mean
    grad_fed grad_x grad_values grad_keys grad_projected grad_weight_ih grad_weight_hh grad_gates
    grad_query_map grad_query_bias grad_window grad_window_bias grad_vector grad_combine"""
STATES = ("h", "c", "fed", "mean")
"""The first state's tensors, in the decoder's order."""


class LoopArguments(ctypes.Structure):
    """`Loop` of attend.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in SIZES.split()),
        ("scale", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in POINTERS.split()),
    )


class LoopConfig(NamedTuple):
    """A decoder, as the loop needs it.

    Attributes:
        sizes: by their names in attend.h; missing ones are 0.
        scale: the factor of products.
        parameters: the path of each parameter in the decoder, by its name in attend.h.
        states: those of `STATES` that the decoder has.
        paths: the same paths, split, in the order of `parameters`.
    """

    sizes: dict[str, int]
    scale: float
    parameters: dict[str, str]
    states: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
