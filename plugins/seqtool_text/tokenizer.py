"""From texts to tokens and back."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from seqtool.api import PartError, SeqtoolError
from seqtool_text.lines import BYTE_ORDER_MARK

Unit = Literal["characters", "words", "regex", "subwords"]
NormalForm = Literal["none", "NFC", "NFD", "NFKC", "NFKD"]

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that no text may contain: control characters, including tabs and line ends, and surrogates."""


@dataclass(frozen=True)
class Tokenizer:
    """From text to tokens and back.

    `split` returns no empty tokens, and white space only as a separate token; `join` inverts it up to white space.
    """

    unit: Unit
    pattern: re.Pattern[str] | None
    form: NormalForm
    lowercase: bool

    def split(self, text: str) -> list[str]:
        """The tokens of a text.

        Raises:
            ValueError: the text contains characters that are not allowed.
        """
        text = self.normalize(text)
        if self.unit == "words":
            return text.split()
        if self.pattern is None:
            return list(text) if text.isascii() else _graphemes()(text)
        tokens = [match[0] for match in self.pattern.finditer(text) if match[0]]
        if _without_space(tokens) != _without_space(text):
            raise ValueError("characters that the pattern does not match")
        return tokens

    def normalize(self, text: str) -> str:
        """See the function `normalize`."""
        return normalize(text, self.form, self.lowercase)

    def fingerprint(self) -> tuple[object, ...]:
        """All that the tokens depend on."""
        pattern = self.pattern and self.pattern.pattern
        return self.unit, pattern, self.form, self.lowercase, unicodedata.unidata_version, _regex_version()

    def join(self, tokens: Iterable[str]) -> str:
        """The text of some tokens."""
        return (" " if self.unit == "words" else "").join(tokens)


def normalize(text: str, form: NormalForm, lowercase: bool) -> str:
    """The text in the normal form, without byte-order marks. Normalizing it again changes nothing.

    Raises:
        ValueError: the text contains control characters.
    """
    if not text.isascii():
        text = text.replace(BYTE_ORDER_MARK, "")
        if form != "none":
            text = unicodedata.normalize(form, text)
    if lowercase:
        text = text.lower()
        if form != "none" and not text.isascii():  # the lower case of a normalized text need not be normalized
            text = unicodedata.normalize(form, text)
    unexpected = CONTROL.search(text)
    if unexpected:
        raise ValueError(f"the control character U+{ord(unexpected[0]):04X}")
    return text


def make_tokenizer(unit: Unit, pattern: str | None, option: str, form: NormalForm, lowercase: bool) -> Tokenizer:
    """A side's tokenizer.

    Raises:
        PartError: the pattern is invalid, missing, or does not apply to the unit; `option` is its name in the recipe.
    """
    if (unit == "regex") != (pattern is not None):
        what = "is required by the unit regex" if pattern is None else "requires the unit regex"
        raise PartError(f"{option} {what}", option=option)
    try:
        compiled = None if pattern is None else re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise PartError(f"not a regular expression: {error}", option=option) from error
    return Tokenizer(unit, compiled, form, lowercase)


def _without_space(text: Iterable[str]) -> str:
    return "".join("".join(text).split())


def _regex_version() -> str:
    try:
        return version("regex")
    except PackageNotFoundError:
        return ""


@cache
def _graphemes() -> Callable[[str], list[str]]:
    """Splits a text into graphemes: a letter with its accents, a flag, a syllable of Hangul."""
    try:
        import regex
    except ImportError as error:
        message = "characters beyond ASCII are split with regex, which is not installed: pip install 'seqtool[text]'"
        raise SeqtoolError(message) from error
    pattern: Any = regex.compile(r"\X")
    return pattern.findall
