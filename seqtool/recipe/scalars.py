"""Scalars of the YAML 1.2 core schema: `60_20`, `on` and `2024-01-01` are strings, `1e-3` is a float."""

import math
import re

NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
MAX_INT = 2**63 - 1
_BASES = {"0o": 8, "0x": 16}
_MAX_DIGITS = 40

Scalar = str | int | float | bool | None


def parse_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar.

    Raises:
        ValueError: a number that is not allowed in a recipe, with a message for the user.
    """
    if NULL.match(text):
        return None
    if BOOL.match(text):
        return text[0] in "tT"
    if INT.match(text):
        return _parse_int(text)
    if FLOAT.match(text):
        return _parse_float(text)
    return text


def _parse_int(text: str) -> int:
    base = _BASES.get(text[:2], 10)
    digits = text if base == 10 else text[2:]
    number = int(digits, base) if len(digits) <= _MAX_DIGITS else MAX_INT + 1
    if abs(number) > MAX_INT:
        raise ValueError(f"the integer {shorten(text)} is out of range; quote it if it is a name")
    return number


def _parse_float(text: str) -> float:
    special = text.lstrip("+-").lower() in (".inf", ".nan")
    number = math.inf if special else float(text)
    if not math.isfinite(number):
        raise ValueError(f"{shorten(text)} is not a finite number")
    return number


def shorten(text: str, limit: int = 40) -> str:
    """`text`, cut to `limit` characters."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
