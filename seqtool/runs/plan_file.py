"""Reads and checks run.json. No torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqtool.errors import SeqtoolError
from seqtool.runs.files import read_json

MAX_LISTED = 1000
"""The most variants or seeds that a run may have."""


def is_folder_name(name: Any) -> bool:
    """Whether `name` is one part of a path, which names neither the folder itself nor its parent."""
    if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\\", "\0"} & set(name):
        return False
    return len(name.encode(errors="replace")) < 200 and not any(0xD800 <= ord(one) < 0xE000 for one in name)


def is_seed(seed: Any) -> bool:
    """Whether `seed` is an integer that can be part of the name of a folder."""
    return type(seed) is int and 0 <= seed < 10**18


def _is_name(name: Any) -> bool:
    return is_folder_name(name) and name.isprintable()


def _is_list_of(valid: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_LISTED and all(map(valid, value))


ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "recipe": (_is_name, "the name of a recipe"),
    "variants": (lambda value: _is_list_of(_is_name, value), "a list of names of folders"),
    "seeds": (lambda value: _is_list_of(is_seed, value), "a list of integers of at least 0"),
    "device": (lambda value: value is None or isinstance(value, str), "the name of a device, or null"),
    "overrides": (
        lambda value: isinstance(value, list) and all(isinstance(flag, str) for flag in value),
        "a list of strings",
    ),
}
"""The entries that are used, each with its check and what is allowed."""
OPTIONAL: dict[str, Any] = {"device": None, "overrides": []}


def read_plan(path: Path) -> dict[str, Any]:
    """The content of run.json.

    Raises:
        SeqtoolError: the file cannot be read, or one of `ENTRIES` is missing or invalid.
    """
    plan = OPTIONAL | read_json(path)
    for key, (valid, allowed) in ENTRIES.items():
        if key not in plan:
            raise SeqtoolError(f"{path} is damaged: it has no entry {key!r}\n    allowed: {allowed}")
        if not valid(plan[key]):
            raise SeqtoolError(f"{path} is damaged: invalid {key}: {short_repr(plan[key])}\n    allowed: {allowed}")
    return plan


def short_repr(value: Any) -> str:
    """`repr` of a value, shortened to 80 characters."""
    text = repr(value)
    return text if len(text) < 80 else f"{text[:79]}…"
