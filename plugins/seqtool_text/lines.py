"""The lines of a text file, plain or gzip, with numbers and faults."""

import gzip
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from seqtool.api import PartError

MAX_LINE_BYTES = 1 << 20
"""Longer lines are faults."""

GZIP = b"\x1f\x8b"
BYTE_ORDER_MARK = "\ufeff"
"""Begins many files of other programs, and each part of concatenated files."""
UTF16 = (b"\xff\xfe", b"\xfe\xff")
"""The byte-order marks of UTF-16."""


def numbered_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """The number of each line, from 1, its text without the line end, and its fault or "".

    Raises:
        OSError: the file cannot be read, or is UTF-16.
    """
    with open_bytes(path) as file:
        number = 0
        while raw := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if number == 1 and raw.startswith(UTF16):
                raise OSError("it is UTF-16, not UTF-8")
            if len(raw) > MAX_LINE_BYTES:
                while not raw.endswith(b"\n") and (raw := file.readline(MAX_LINE_BYTES)):
                    pass
                yield number, "", f"longer than {MAX_LINE_BYTES:,} bytes"
                continue
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                yield number, "", f"not UTF-8: the byte 0x{raw[error.start]:02x} at position {error.start + 1}"
                continue
            yield number, text.removeprefix(BYTE_ORDER_MARK).removesuffix("\n").removesuffix("\r"), ""


def file_size(path: Path) -> int:
    """The size of a file on disk, in bytes.

    Raises:
        OSError: there is no such file, or it is a pipe or a device, which cannot be read again.
    """
    try:
        found = path.stat()
    except ValueError as error:  # an invalid path
        raise OSError(str(error)) from error
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError("it is a pipe or a device, and data are read several times; a regular file is required")
    return found.st_size


def is_larger(path: Path, size: int) -> bool:
    """Whether the decompressed content of a file has more than `size` bytes."""
    on_disk = file_size(path)  # refuses pipes, before one is opened
    if not is_gzip(path):
        return on_disk > size
    with gzip.open(path, "rb") as file:
        while size >= 0 and (piece := file.read(1 << 20)):
            size -= len(piece)
    return size < 0


def is_gzip(path: Path) -> bool:
    """Whether a file starts with gzip's magic number."""
    with open(path, "rb") as file:
        return file.read(len(GZIP)) == GZIP


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for binary reading, decompressed."""
    return gzip.open(path, "rb") if is_gzip(path) else open(path, "rb")


@contextmanager
def reading_errors(path: Path, option: str) -> Iterator[None]:
    """Report that a file cannot be read as an error of the option that names it."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PartError(f"cannot read {str(path)!r}: {why}", option=option) from error
