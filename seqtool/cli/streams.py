"""The standard streams of a command, which may be closed, missing, or unable to encode a text."""

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

_CONTROLS = {*map(chr, (*range(0x20), *range(0x7F, 0xA0)))} - {"\n", "\t"}
_DIRECTIONS = {*map(chr, (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))}
ESCAPES = {ord(character): ascii(character)[1:-1] for character in _CONTROLS | _DIRECTIONS}
"""Characters that a terminal interprets, and what is printed instead of each."""


def prepare_streams() -> None:
    """Open closed standard streams on the null device, and let stdout print any text.

    A descriptor that stays closed would be given to the next file that is opened, and receive the messages of libraries
    that write to it. With pythonw and some services, `sys.stdout` and `sys.stderr` are None.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free descriptor
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream, errors in ((sys.stdout, "seqtool"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


class VisibleText:
    """A text stream that prints `ESCAPES`: names and symbols in files from elsewhere may contain control characters.

    Bytes that are written to its `buffer` are unchanged.
    """

    def __init__(self, stream: Any, escapes: dict[int, str]) -> None:
        self._stream, self._escapes = stream, escapes

    def write(self, text: Any) -> int:
        """Write a text with its control characters escaped."""
        written: int = self._stream.write(text.translate(self._escapes) if isinstance(text, str) else text)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def visible_text() -> Iterator[None]:
    """Escape control characters in what is printed; progress bars return to the start of a line of stderr."""
    streams = sys.stdout, sys.stderr
    sys.stdout = VisibleText(streams[0], ESCAPES)
    sys.stderr = VisibleText(streams[1], {key: text for key, text in ESCAPES.items() if key != ord("\r")})
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def finish_streams() -> bool:
    """Write buffered output, and return whether all streams could be written."""
    written = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            written = False
            with open(os.devnull, "w") as null:  # else Python reports the same error again when it exits
                os.dup2(null.fileno(), stream.fileno())
    return written


def _encode(error: UnicodeError) -> tuple[bytes, int]:
    """Encode the bytes of a path that is not UTF-8 as these bytes, and other characters as escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    parts = [
        bytes([ord(one) - 0xDC00]) if "\udc80" <= one <= "\udcff" else one.encode("ascii", "backslashreplace")
        for one in error.object[error.start : error.end]
    ]
    return b"".join(parts), error.end


codecs.register_error("seqtool", _encode)
