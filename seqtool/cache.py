"""The cache folder, for compiled kernels and for string pairs read from large files."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

LEFTOVER_SECONDS = 24 * 3600
"""A temporary file that did not change for so long is not being written."""


def cache_folder() -> Path:
    """The folder given by `SEQTOOL_CACHE`, otherwise `seqtool` in the user's cache folder. It may not exist yet.

    On Linux the default is `$XDG_CACHE_HOME/seqtool` or `~/.cache/seqtool`.
    """
    given = os.environ.get("SEQTOOL_CACHE")
    return Path(given) if given else user_cache_path("seqtool", appauthor=False)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and folders (`.*.tmp`) of killed processes: those unchanged for a day."""
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):  # another process removes it too
            if time.time() - path.lstat().st_mtime < LEFTOVER_SECONDS:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
