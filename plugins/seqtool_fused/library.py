"""The C code of this package as a shared library, compiled for this machine on first use and cached."""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from seqtool.api import SeqtoolError, cache_folder, remove_leftovers

SOURCES = Path(__file__).parent / "csrc"
FLAGS = ("-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared")
OPTIONAL_FLAGS = (("-march=native", "-fopenmp"), ("-march=native",), ("-fopenmp",), ())
"""Flags that some compilers lack, in order of preference."""


KEPT_MEMORY = (64 << 20, 32 << 20)
"""Bytes of freed memory that are kept, and the largest block served from them; see csrc/memory.c."""
KEEP_MEMORY_VARIABLE = "SEQTOOL_KEEP_MEMORY"


class Unavailable(SeqtoolError):  # noqa: N818
    """The library cannot be built or loaded on this machine."""


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded library. It uses the OpenMP runtime that torch has loaded.

    With `SEQTOOL_KEEP_MEMORY=1` in the environment, the allocator of the process keeps freed memory.

    Raises:
        Unavailable: there is no compiler, the cache folder cannot be created, or the compilation fails.
    """
    reason = unavailable_reason()
    if reason:
        raise Unavailable(reason)
    loaded = ctypes.CDLL(str(_library_path()))
    if os.environ.get(KEEP_MEMORY_VARIABLE) == "1":
        loaded.seqtool_keep_memory(*map(ctypes.c_int64, KEPT_MEMORY))
    return loaded


@functools.cache
def unavailable_reason() -> str | None:
    """Why the library is unavailable, None if it is available. Compiles it if necessary."""
    try:
        ctypes.CDLL(str(_library_path()))
    except (Unavailable, OSError) as error:
        return " ".join(str(error).split())
    return None


@functools.cache
def _library_path() -> Path:
    """The file of the library, named after digests of sources, compiler and processor, and of its own content."""
    compiler = _compiler()
    folder, name = _cache(), f"fused-{_digest(compiler)}"
    for path in sorted(folder.glob(f"{name}-*.so")):
        if _is_whole(path, path.stem.removeprefix(f"{name}-")):
            return path
        path.unlink(missing_ok=True)
    remove_leftovers(folder)
    return _compile(compiler, folder, name)


def _is_whole(path: Path, digest: str) -> bool:
    """Whether a library is the one that was compiled, and can be loaded."""
    try:
        if path.is_symlink() or _other_writers(path) or _content_digest(path) != digest:
            return False
        ctypes.CDLL(str(path))
    except OSError:
        return False
    return True


def _content_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def _other_writers(path: Path) -> bool:
    """Whether users other than this one and root can change a file or folder."""
    if not hasattr(os, "geteuid"):
        return False
    status = path.stat()
    return status.st_uid not in (0, os.geteuid()) or bool(status.st_mode & 0o022)


def _compiler() -> list[str]:
    try:
        command = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise Unavailable(f"CC cannot be read: {error}") from error
    for words in [command] if command else [["cc"], ["gcc"], ["clang"]]:
        program = shutil.which(words[0])
        if program:
            return [program, *words[1:]]
    raise Unavailable(f"no C compiler was found ({command[0] if command else 'cc, gcc or clang'})")


def _cache() -> Path:
    folder = cache_folder() / "compiled"
    try:
        cache_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        unsafe = _other_writers(folder)
    except OSError as error:
        raise Unavailable(f"the folder for compiled code cannot be created: {error}") from error
    if unsafe:
        raise Unavailable(f"other users can write to the folder for compiled code: {folder}")
    return folder


def _digest(compiler: list[str]) -> str:
    status = os.stat(compiler[0])
    parts = [*compiler, str(status.st_size), str(status.st_mtime_ns), *FLAGS, repr(OPTIONAL_FLAGS), *_processor()]
    digest = hashlib.sha256("\0".join(parts).encode())
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> Iterator[str]:
    """Identifies the processor's instruction set, since several machines may share a home folder."""
    yield platform.machine()
    information = Path("/proc/cpuinfo")
    if not information.exists():
        yield platform.processor()
        return
    lines = information.read_text().splitlines()
    yield from sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})


def _compile(compiler: list[str], cache: Path, name: str) -> Path:
    """Compile in a temporary folder and move the result into place, since other processes may do the same."""
    print("compiling the kernels in C, once on this machine; this takes some seconds", file=sys.stderr, flush=True)
    sources = [str(source) for source in sorted(SOURCES.glob("*.c"))]
    output = ""
    try:
        with tempfile.TemporaryDirectory(dir=cache, prefix=".", suffix=".tmp") as folder:
            made = Path(folder) / f"{name}.so"
            for flags in OPTIONAL_FLAGS:
                build = [*compiler, *FLAGS, *flags, "-o", str(made), *sources, "-lm"]
                done = subprocess.run(build, capture_output=True, text=True, check=False, timeout=600)
                if done.returncode == 0:
                    path = cache / f"{name}-{_content_digest(made)}.so"
                    made.chmod(0o700)
                    with open(made, "rb+") as file:
                        os.fsync(file.fileno())
                    os.replace(made, path)
                    return path
                output = output or done.stderr.strip()[-500:]
    except (OSError, subprocess.SubprocessError) as error:
        output = str(error)
    raise Unavailable(f"{compiler[0]} could not compile the library: {output or 'no message'}")
