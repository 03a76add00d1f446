"""Texts and their tokens."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from seqtool.api import PartError, SeqtoolError

Unit = Literal["characters", "words", "regex", "subwords"]
Form = Literal["none", "NFC", "NFD", "NFKC", "NFKD"]

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What stands in no text: control characters, tabs and line ends among them, and halves of surrogate pairs."""


@dataclass(frozen=True)
class Tokenizer:
    """One side's way from text to tokens and back.

    `split` gives no empty tokens and no white space but as a token of its own; `join` undoes it up to white space.
    """

    unit: Unit
    pattern: re.Pattern[str] | None
    form: Form
    lowercase: bool

    def split(self, text: str) -> list[str]:
        """The tokens of a text.

        Raises:
            ValueError: it holds what no token can.
        """
        text = clean(text, self.form, self.lowercase)
        if self.unit == "words":
            return text.split()
        if self.pattern is None:
            return list(text) if text.isascii() else _graphemes()(text)
        tokens = [found[0] for found in self.pattern.finditer(text) if found[0]]
        if _bare(tokens) != _bare(text):
            raise ValueError("characters that the pattern leaves out")
        return tokens

    def described(self) -> tuple[object, ...]:
        """All that its tokens follow from."""
        pattern = self.pattern and self.pattern.pattern
        return self.unit, pattern, self.form, self.lowercase, unicodedata.unidata_version, _regex_version()

    def join(self, tokens: Iterable[str]) -> str:
        """A text of tokens."""
        return (" " if self.unit == "words" else "").join(tokens)


def clean(text: str, form: Form, lowercase: bool) -> str:
    """A text as its tokens are told apart in it.

    Raises:
        ValueError: it holds control characters.
    """
    if form != "none" and not text.isascii():
        text = unicodedata.normalize(form, text)
    if lowercase:
        text = text.lower()
    strange = CONTROL.search(text)
    if strange:
        raise ValueError(f"the control character U+{ord(strange[0]):04X}")
    return text


def tokenizer(unit: Unit, pattern: str | None, option: str, form: Form, lowercase: bool) -> Tokenizer:
    """A side's tokenizer.

    Raises:
        PartError: a pattern that is none, or one where none is needed; `option` is what the recipe calls it.
    """
    if (unit == "regex") != (pattern is not None):
        what = "is what tokens are told by" if pattern is None else "is read with the unit regex alone"
        raise PartError(f"{option} {what}", option=option)
    try:
        compiled = None if pattern is None else re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise PartError(f"no regular expression: {error}", option=option) from error
    return Tokenizer(unit, compiled, form, lowercase)


def _bare(text: Iterable[str]) -> str:
    return "".join("".join(text).split())


def _regex_version() -> str:
    try:
        return version("regex")
    except PackageNotFoundError:
        return ""


@cache
def _graphemes() -> Callable[[str], list[str]]:
    """What a reader takes for one character: a letter with its accents, a flag, a syllable of Hangul."""
    try:
        import regex
    except ImportError as error:
        message = "characters beyond ASCII are told apart by regex, which is not installed: pip install 'seqtool[text]'"
        raise SeqtoolError(message) from error
    pattern: Any = regex.compile(r"\X")
    return pattern.findall
