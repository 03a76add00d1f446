"""How csrc/attend.h lays out what a loop is given: the same names in the same order."""

import ctypes
from typing import NamedTuple

SIZES = """threads backward B T S E M H K P hidden D F gru scorer variant softmax
    query_h query_c query_x query_size feed_x feed_seen feed_size features_h features_context features_x
    x_row x_step mask_row of_features_row of_features_step symbols"""
POINTERS = """x values keys ids mapped mask
    weight_ih weight_hh bias_ih bias_hh query_map query_bias window window_bias vector combine
    first_h first_c first_mean first_fed last_h last_c last_mean last_fed
    z c mean gates asked query joined weights features of_features of_weights of_h of_c of_mean of_fed
    of_x of_values of_keys of_mapped of_weight_ih of_weight_hh of_gates of_query_map of_query_bias of_window
    of_window_bias of_vector of_combine"""
STATES = ("h", "c", "fed", "mean")
"""The first state's tensors, in the decoder's order."""


class Layout(ctypes.Structure):
    """`Loop` of attend.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in SIZES.split()),
        ("scale", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in POINTERS.split()),
    )


class Shape(NamedTuple):
    """What a decoder is to the loop.

    Attributes:
        sizes: by the names of attend.h; what is not there is 0.
        scale: what a product's query is multiplied by.
        parameters: where each parameter stands in the decoder, by the names of attend.h.
        states: which of `STATES` it has.
        paths: the same places, name by name, in the order of `parameters`.
    """

    sizes: dict[str, int]
    scale: float
    parameters: dict[str, str]
    states: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
