"""The C code of this package as one shared library: compiled when first used, for this machine, kept in a cache."""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from seqtool.api import SeqtoolError, cache_folder

SOURCES = Path(__file__).parent / "csrc"
FLAGS = ("-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared")
WAYS = (("-march=native", "-fopenmp"), ("-march=native",), ("-fopenmp",), ())
"""What not every compiler takes, the best first."""


KEPT_MEMORY = (64 << 20, 32 << 20)
"""Bytes: see csrc/memory.c."""
KEEP_MEMORY_VARIABLE = "SEQTOOL_KEEP_MEMORY"


class Unavailable(SeqtoolError):  # noqa: N818
    """There is no library on this machine; the message says why."""


@functools.cache
def library() -> ctypes.CDLL:
    """The library, loaded. torch's OpenMP runtime, which is there already, serves it too.

    With `SEQTOOL_KEEP_MEMORY=1` in the environment it asks the allocator of the whole process to keep freed memory.

    Raises:
        Unavailable: no compiler, no place to keep what it makes, or it fails.
    """
    reason = missing()
    if reason:
        raise Unavailable(reason)
    loaded = ctypes.CDLL(str(_built()))
    if os.environ.get(KEEP_MEMORY_VARIABLE) == "1":
        loaded.seqtool_keep_memory(*map(ctypes.c_int64, KEPT_MEMORY))
    return loaded


@functools.cache
def missing() -> str | None:
    """Why there is no library, None where there is one. Compiles it where that was not yet done."""
    try:
        ctypes.CDLL(str(_built()))
    except (Unavailable, OSError) as error:
        return " ".join(str(error).split())
    return None


@functools.cache
def _built() -> Path:
    """The library's file; its name tells the sources, the compiler and the processor it is for."""
    compiler = _compiler()
    path = _cache() / f"fused-{_key(compiler)}.so"
    if not path.exists():
        _compile(compiler, path)
    return path


def _compiler() -> list[str]:
    try:
        given = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise Unavailable(f"CC cannot be read: {error}") from error
    for words in [given] if given else [["cc"], ["gcc"], ["clang"]]:
        found = shutil.which(words[0])
        if found:
            return [found, *words[1:]]
    raise Unavailable(f"no C compiler was found ({given[0] if given else 'cc, gcc or clang'})")


def _cache() -> Path:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"the folder for compiled code cannot be made: {error}") from error
    return folder


def _key(compiler: list[str]) -> str:
    status = os.stat(compiler[0])
    parts = [*compiler, str(status.st_size), str(status.st_mtime_ns), *FLAGS, repr(WAYS), *_processor()]
    digest = hashlib.sha256("\0".join(parts).encode())
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> Iterator[str]:
    """What tells processors apart whose instructions may differ; homes are shared between machines."""
    yield platform.machine()
    information = Path("/proc/cpuinfo")
    if not information.exists():
        yield platform.processor()
        return
    lines = information.read_text().splitlines()
    yield from sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})


def _compile(compiler: list[str], path: Path) -> None:
    """Compile into a folder of its own and move the whole result into its place: others may do so at the same time."""
    sources = [str(source) for source in sorted(SOURCES.glob("*.c"))]
    said = ""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".compiling-") as folder:
            made = str(Path(folder) / path.name)
            for way in WAYS:
                command = [*compiler, *FLAGS, *way, "-o", made, *sources, "-lm"]
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
                if done.returncode == 0:
                    os.replace(made, path)
                    return
                said = said or done.stderr.strip()[-500:]
    except (OSError, subprocess.SubprocessError) as error:
        said = str(error)
    raise Unavailable(f"{compiler[0]} could not compile it: {said or 'without a word'}")
