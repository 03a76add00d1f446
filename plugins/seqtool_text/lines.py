"""The lines of a text file, plain or gzip, each with its number and what is wrong with it."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from seqtool.api import PartError

LONGEST = 1 << 20
"""A line of more bytes is no example of anything."""

GZIP = b"\x1f\x8b"


def numbered_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """The number of each line, from 1, its text without its end, and its fault, or ""; lines end with a line feed."""
    with opened(path) as file:
        number = 0
        while raw := file.readline(LONGEST + 1):
            number += 1
            if len(raw) > LONGEST:
                while not raw.endswith(b"\n") and (raw := file.readline(LONGEST)):
                    pass
                yield number, "", f"longer than {LONGEST:,} bytes"
                continue
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                yield number, "", f"not UTF-8: the byte 0x{raw[error.start]:02x} at place {error.start + 1}"
                continue
            if number == 1:
                text = text.removeprefix("\ufeff")
            yield number, text.removesuffix("\n").removesuffix("\r"), ""


def size_of(path: Path) -> int:
    """The bytes of a file as it lies there."""
    try:
        return path.stat().st_size
    except ValueError as error:  # a path that no file can have
        raise OSError(str(error)) from error


def is_gzip(path: Path) -> bool:
    """Whether a file begins as gzip does, whatever it is called."""
    with open(path, "rb") as file:
        return file.read(len(GZIP)) == GZIP


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked."""
    return gzip.open(path, "rb") if is_gzip(path) else open(path, "rb")


@contextmanager
def naming(path: Path, option: str) -> Iterator[None]:
    """Tell in our words that a file cannot be read, and which option names it."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PartError(f"cannot read {str(path)!r}: {why}", option=option) from error
