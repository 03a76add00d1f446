"""The cache folder, for compiled kernels and for string pairs read from large files."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """The folder given by `SEQTOOL_CACHE`, otherwise `seqtool` in the user's cache folder. It may not exist yet.

    On Linux the default is `$XDG_CACHE_HOME/seqtool` or `~/.cache/seqtool`.
    """
    given = os.environ.get("SEQTOOL_CACHE")
    return Path(given) if given else user_cache_path("seqtool", appauthor=False)
