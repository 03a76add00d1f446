"""Lines of files, numbered and named."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from seqtool.errors import SeqtoolError


@dataclass(frozen=True)
class Line:
    """A line as it stands in a file; `number` counts from 1 over all files, `place` is what people look for."""

    number: int
    place: str
    content: bytes


def read_lines(files: Iterable[tuple[str, IO[bytes]]]) -> Iterator[Line]:
    """The lines of named files, one after the other, without their ends (`\\n`, `\\r\\n`) and a byte order mark."""
    number = 0
    for name, file in files:
        for within, line in enumerate(file, start=1):
            number += 1
            content = line.removesuffix(b"\n").removesuffix(b"\r")
            if within == 1:
                content = content.removeprefix(b"\xef\xbb\xbf")
            yield Line(number, f"{name}:{within}", content)


def decode(line: Line) -> str:
    """The text of a line.

    Raises:
        SeqtoolError: it is not UTF-8.
    """
    try:
        return line.content.decode()
    except UnicodeDecodeError as error:
        raise SeqtoolError(f"not UTF-8: {error.reason} at byte {error.start + 1} of the line") from error
