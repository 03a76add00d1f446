"""The pairs of a large file as an Arrow file that is mapped into memory, kept for the next run."""

import json
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from seqtool.api import Ragged, SeqtoolError
from seqtool_text.corpus import Columns, Corpus, Notes, Numbers

NOTES = b"seqtool.text_pairs"
"""The key in the schema's metadata of what is told beside the pairs."""
KINDS = (np.int32, np.int32, np.int64, np.int64, np.int64, np.float64)


class Spool:
    """What is read, on the way to its place: nameless files, which vanish with the process."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.files = [stack.enter_context(file) for file in map(_nameless, [folder] * len(KINDS))]

    def take(self, columns: Columns) -> None:
        """Add the pairs that were read, and empty the columns."""
        for part, file in zip(columns.parts(), self.files, strict=True):
            part.tofile(file)
            del part[:]

    def arrays(self) -> list[Any]:
        """Each file as an array that is read when it is looked at."""
        return list(self._mapped())

    def _mapped(self) -> Iterator[Any]:
        for kind, file in zip(KINDS, self.files, strict=True):
            file.flush()
            size = os.fstat(file.fileno()).st_size
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            yield np.frombuffer(data, dtype=kind)


def write_arrow(path: Path, spool: Spool, notes: Notes) -> None:
    """Pairs of a spool as a file, which is there when it is whole: a row a pair, all in one batch."""
    arrow = library()
    *flat, lines, chances = spool.arrays()
    sides = [arrow.LargeListArray.from_arrays(arrow.array(flat[2 + i]), arrow.array(flat[i])) for i in (0, 1)]
    names = ["source", "target", "line", "chance"]
    batch = arrow.record_batch([*sides, arrow.array(lines), arrow.array(chances)], names=names)
    told = asdict(notes) | {"symbols": [list(known) for known in notes.symbols]}
    schema = batch.schema.with_metadata({NOTES: json.dumps(told).encode()})
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with open(handle, "wb") as file, arrow.ipc.new_file(file, schema) as writer:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def read_arrow(path: Path) -> Corpus | None:
    """The pairs of a file, mapped into memory; None where there is no such file, or none that is whole."""
    arrow = library()
    try:
        with open(path, "rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # torch asks for memory to write on
        whole = arrow.py_buffer(memory)
        with arrow.ipc.open_file(arrow.BufferReader(whole)) as reader:
            batch, told = reader.get_batch(0), json.loads(reader.schema.metadata[NOTES])
        told["symbols"] = tuple(_numbered(known) for known in told["symbols"])
        notes = Notes(**told)
    except (OSError, ValueError, KeyError, TypeError, arrow.ArrowException):
        return None

    def tensor(buffer: Any, count: int, kind: type) -> torch.Tensor:
        return torch.from_numpy(np.frombuffer(memory, kind, count, buffer.address - whole.address))

    source, target, lines, chances = batch.columns
    sides = [
        Ragged(
            tensor(side.buffers()[3], len(side.values), np.int32), tensor(side.buffers()[1], len(side) + 1, np.int64)
        )
        for side in (source, target)
    ]
    rest = [tensor(one.buffers()[1], len(one), kind) for one, kind in ((lines, np.int64), (chances, np.float64))]
    return Corpus(*sides, *rest, notes)


def library() -> Any:
    """Pyarrow, with what is used of it. Raises: SeqtoolError: it is not installed."""
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        message = "large files are kept by pyarrow, which is not installed: pip install 'seqtool[text]'"
        raise SeqtoolError(message) from error
    return pyarrow


def _nameless(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder)


def _numbered(symbols: list[str]) -> Numbers:
    return Numbers({symbol: i for i, symbol in enumerate(symbols)})
