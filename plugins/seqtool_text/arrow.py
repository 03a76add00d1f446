"""The pairs of a large file as a memory-mapped Arrow file, cached for later runs.

The name of a file contains a digest of its content, and a file with another digest is never parsed.
"""

import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from seqtool.api import Ragged, SeqtoolError
from seqtool_text.corpus import Columns, Corpus, Summary, SymbolIds

SUMMARY_KEY = b"seqtool.text_pairs"
"""The key of the summary in the schema's metadata."""
KINDS = (np.int32, np.int32, np.int64, np.int64, np.int64, np.float64)


class Spool:
    """Columns on disk while they are read, in temporary files."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.files = [stack.enter_context(file) for file in map(_temporary_file, [folder] * len(KINDS))]

    def add(self, columns: Columns) -> None:
        """Append the columns, and empty them."""
        for part, file in zip(columns.parts(), self.files, strict=True):
            part.tofile(file)
            del part[:]

    def arrays(self) -> list[Any]:
        """Each file as a memory-mapped array."""
        return list(self._mapped())

    def _mapped(self) -> Iterator[Any]:
        for kind, file in zip(KINDS, self.files, strict=True):
            file.flush()
            size = os.fstat(file.fileno()).st_size
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            yield np.frombuffer(data, dtype=kind)


def write_arrow(folder: Path, key: str, spool: Spool, summary: Summary) -> None:
    """Write the pairs of a spool, one row per pair in one batch; the file appears when it is complete."""
    arrow = library()
    *flat, lines, split_keys = spool.arrays()
    sides = [arrow.LargeListArray.from_arrays(arrow.array(flat[2 + i]), arrow.array(flat[i])) for i in (0, 1)]
    names = ["source", "target", "line", "chance"]
    batch = arrow.record_batch([*sides, arrow.array(lines), arrow.array(split_keys)], names=names)
    metadata = asdict(summary) | {"symbols": [list(known) for known in summary.symbols]}
    schema = batch.schema.with_metadata({SUMMARY_KEY: json.dumps(metadata).encode()})
    handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    try:
        with open(handle, "w+b") as file:
            with arrow.ipc.new_file(file, schema) as writer:
                writer.write_batch(batch.replace_schema_metadata(schema.metadata))
            file.flush()
            os.fsync(file.fileno())
            digest = _digest(file)
        os.replace(name, folder / f"{key}-{digest}.arrow")
    except BaseException:
        os.unlink(name)
        raise


def read_arrow(folder: Path, key: str) -> Corpus | None:
    """The pairs of a file, memory-mapped; None if there is no file. A damaged file is removed."""
    for path in sorted(folder.glob(f"{key}-*.arrow")):
        found = _read_file(path, path.stem.removeprefix(f"{key}-"))
        if found is not None:
            return found
        with suppress(OSError):
            path.unlink()
    return None


def _read_file(path: Path, digest: str) -> Corpus | None:
    arrow = library()
    try:
        with open(path, "rb") as file:
            if _digest(file) != digest:
                return None
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # torch requires writable memory
        whole = arrow.py_buffer(memory)
        with arrow.ipc.open_file(arrow.BufferReader(whole)) as reader:
            batch, metadata = reader.get_batch(0), json.loads(reader.schema.metadata[SUMMARY_KEY])
        metadata["symbols"] = tuple(_symbol_ids(known) for known in metadata["symbols"])
        summary = Summary(**metadata)
    except (OSError, ValueError, KeyError, TypeError, arrow.ArrowException):
        return None

    def tensor(buffer: Any, count: int, kind: type) -> torch.Tensor:
        return torch.from_numpy(np.frombuffer(memory, kind, count, buffer.address - whole.address))

    source, target, lines, split_keys = batch.columns
    sides = [
        Ragged(
            tensor(side.buffers()[3], len(side.values), np.int32), tensor(side.buffers()[1], len(side) + 1, np.int64)
        )
        for side in (source, target)
    ]
    rest = [tensor(one.buffers()[1], len(one), kind) for one, kind in ((lines, np.int64), (split_keys, np.float64))]
    return Corpus(*sides, *rest, summary)


def library() -> Any:
    """pyarrow.

    Raises:
        SeqtoolError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        message = "large files are cached with pyarrow, which is not installed: pip install 'seqtool[text]'"
        raise SeqtoolError(message) from error
    return pyarrow


def _digest(file: IO[bytes]) -> str:
    """A digest of the whole file."""
    file.seek(0)
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _temporary_file(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder)


def _symbol_ids(symbols: list[str]) -> SymbolIds:
    return SymbolIds({symbol: i for i, symbol in enumerate(symbols)})
