"""Vectors and matrices as lists of floats."""

import math
from collections.abc import Callable

Vector = list[float]
Matrix = list[Vector]
"""A list of rows."""


def inner(a: Vector, b: Vector) -> float:
    """a . b"""
    return sum(x * y for x, y in zip(a, b, strict=True))


def times(matrix: Matrix, vector: Vector) -> Vector:
    """M v"""
    return [inner(row, vector) for row in matrix]


def plus(*vectors: Vector) -> Vector:
    """a + b + ..."""
    return [sum(column) for column in zip(*vectors, strict=True)]


def scale(factor: float, vector: Vector) -> Vector:
    """factor v"""
    return [factor * x for x in vector]


def multiply(a: Vector, b: Vector) -> Vector:
    """a * b, element by element"""
    return [x * y for x, y in zip(a, b, strict=True)]


def apply(function: Callable[[float], float], vector: Vector) -> Vector:
    """f(v), element by element"""
    return [function(x) for x in vector]


def concatenate(*vectors: Vector) -> Vector:
    """[a; b; ...]"""
    return [x for vector in vectors for x in vector]


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow"""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
