"""Normalizers: scores -> weights. Scores are those of real positions; padding has neither."""

import math

from seqtool.equations.vectors import Vector


def softmax(e: Vector) -> Vector:
    """a_j = exp(e_j) / sum_k exp(e_k)

    Bahdanau et al. 2015, arXiv 1409.0473, eq. 6. Of no score at all: no weight.
    """
    largest = max(e, default=0.0)
    powers = [math.exp(score - largest) for score in e]
    return [power / sum(powers) for power in powers]


def exp(e: Vector) -> Vector:
    """a_j = exp(min(e_j, 60)), unnormalised

    Graves 2013, arXiv 1308.0850, eqs 46-47; the 60 is ours, so that nothing overflows.
    """
    return [math.exp(min(score, 60.0)) for score in e]
