"""Atomic writing, file locks, and JSON files."""

import contextlib
import json
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from seqtool.errors import SeqtoolError

TEMPORARY = ".tmp"


def remove_temporary_files(folder: Path) -> None:
    """Remove files and folders that killed processes left unfinished in `folder`."""
    with translate_write_errors(folder):
        for leftover in folder.glob(f".*{TEMPORARY}"):
            remove(leftover)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        SeqtoolError: the file cannot be read, or does not contain a JSON object.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SeqtoolError(f"cannot read {path}: {error}") from error
    if not isinstance(found, dict):
        raise SeqtoolError(f"cannot read {path}: it does not contain a JSON object")
    return found


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object as UTF-8. Bytes of paths that are not UTF-8 become escapes, which `read_json` restores."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    content = re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text).encode()
    write_atomic(path, content)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file atomically. Raises: see `atomic_file`."""
    with atomic_file(path) as file:
        file.write(content)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` for writing; on success, sync it to disk and rename it to `path`.

    The temporary file has a random name and is created by this call: no existing file or link is opened.

    Raises:
        SeqtoolError: the folder cannot be written, or the disk is full. `path` is then unchanged.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY}")
    with translate_write_errors(path):
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def points_outside(path: Path, folder: Path) -> bool:
    """Whether `path` leads out of `folder` through symbolic links."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


@contextlib.contextmanager
def translate_write_errors(path: Path) -> Iterator[None]:
    """Raise an `OSError` while writing `path` as a `SeqtoolError`."""
    try:
        yield
    except BrokenPipeError:  # the reader of our output has exited; not an error of the file
        raise
    except OSError as error:
        raise SeqtoolError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def file_lock(path: Path, message: str) -> Iterator[None]:
    """Hold the lock file `path`, which is created if missing. The system releases it when the process ends.

    Raises:
        SeqtoolError: another process holds the lock; with `message`. Or `path` is a symbolic link.
    """
    if path.is_symlink():  # opening it would create or empty another file
        raise SeqtoolError(f"{path} is a symbolic link, and a lock file must be a regular file")
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise SeqtoolError(message) from error
    except OSError as error:  # some network file systems have no locks
        warnings.warn(f"{path} cannot be locked ({error}); use it from only one process at a time", stacklevel=3)
    try:
        yield
    finally:
        lock.release()
