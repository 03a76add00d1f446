"""The one folder outside of runs that seqtool writes to: compiled kernels, and pairs read from large files."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """The folder that `SEQTOOL_CACHE` names, else `seqtool` in the user's cache folder; it need not exist yet.

    On Linux the latter is `$XDG_CACHE_HOME/seqtool` or `~/.cache/seqtool`.
    """
    given = os.environ.get("SEQTOOL_CACHE")
    return Path(given) if given else user_cache_path("seqtool", appauthor=False)
