"""Numbered lines of text files."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from seqtool.errors import SeqtoolError


@dataclass(frozen=True)
class Line:
    """A line: its `number`, counted from 1 over all files, its `place`, `file:line`, and its bytes."""

    number: int
    place: str
    content: bytes


def read_lines(files: Iterable[tuple[str, IO[bytes]]]) -> Iterator[Line]:
    """The lines of `(name, file)`s, without line ends (`\\n`, `\\r\\n`) and byte order marks."""
    number = 0
    for name, file in files:
        for within, line in enumerate(file, start=1):
            number += 1
            content = line.removesuffix(b"\n").removesuffix(b"\r").removeprefix(BOM_UTF8)
            yield Line(number, f"{name}:{within}", content)


def decode(line: Line) -> str:
    """The text of a line.

    Raises:
        SeqtoolError: it is not UTF-8.
    """
    try:
        return line.content.decode()
    except UnicodeDecodeError as error:
        if line.content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise SeqtoolError("UTF-16, not UTF-8") from error
        raise SeqtoolError(f"not UTF-8: {error.reason} at byte {error.start + 1} of the line") from error
