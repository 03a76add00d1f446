"""Files that are whole or not there, and held by one process at a time."""

import contextlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from seqtool.errors import SeqtoolError

TEMPORARY = ".tmp"


def sweep(folder: Path) -> None:
    """Remove what a killed process was writing in `folder`."""
    with telling(folder):
        for leftover in folder.glob(f".*{TEMPORARY}"):
            leftover.unlink()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        SeqtoolError: it cannot be read, or is no JSON object.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SeqtoolError(f"cannot read {path}: {error}") from error
    if not isinstance(found, dict):
        raise SeqtoolError(f"cannot read {path}: it holds no JSON object")
    return found


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def write_atomic(path: Path, content: bytes) -> None:
    """Write a whole file or none of it."""
    write_atomic_with(path, lambda file: file.write(content))


def write_atomic_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Have `write` fill a file that appears whole. Raises: see `written_whole`."""
    with written_whole(path) as file:
        write(file)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside `path`, put in its place, safely on the disk, when the block is left without an error.

    Raises:
        SeqtoolError: the folder cannot be written, or the disk is full; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    with telling(path):
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def telling(path: Path) -> Iterator[None]:
    """Tell an operating system's refusal to write `path` in our words."""
    try:
        yield
    except BrokenPipeError:  # whoever read our output has gone, which is no fault of the file
        raise
    except OSError as error:
        raise SeqtoolError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def held(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock file `path`, created if missing; the system releases it when the process ends, however it ends.

    Raises:
        SeqtoolError: another process holds it; `refusal` is the message.
    """
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise SeqtoolError(refusal) from error
    except OSError as error:  # some network file systems have no locks
        warnings.warn(f"{path} cannot be locked ({error}): use it from one process at a time", stacklevel=3)
    try:
        yield
    finally:
        lock.release()
