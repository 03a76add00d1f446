"""The git commit of a folder, without running code that the repository configures.

`git status` runs programs that the repository's own configuration names: `core.fsmonitor`, filters, hooks, remotes of
missing objects. A recipe's folder may come from an archive, so git gets a repository folder of ours, with the objects
and the index of the original one.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_COMMIT = re.compile(r"[0-9a-f]{40}")


def git_revision(folder: Path) -> dict[str, Any] | None:
    """The git commit of `folder` and whether files have changed since; None outside of a repository or without git."""
    folder = folder.resolve()
    root = next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)
    if root is None:
        return None
    try:
        repository = _repository(root)
        common = _common(repository)
        commit = _commit(repository, common)
        return None if commit is None else {"commit": commit, "changed": _changed(root, repository, common, commit)}
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _repository(root: Path) -> Path:
    """The repository folder of a working tree: `.git`, or the folder that the file `.git` names."""
    path = root / ".git"
    return path if path.is_dir() else root / path.read_text().removeprefix("gitdir:").strip()


def _common(repository: Path) -> Path:
    """The folder with objects and branches, which several working trees share."""
    path = repository / "commondir"
    return repository / path.read_text().strip() if path.exists() else repository


def _commit(repository: Path, common: Path) -> str | None:
    """The commit of HEAD; None if there is none yet, or branches are stored in another way than as files."""
    name, head = "HEAD", (repository / "HEAD").read_text().strip()
    if head.startswith("ref:"):
        name = head.removeprefix("ref:").strip()
        head = _branches(common).get(name, "")
        if (common / name).is_file():
            head = (common / name).read_text().strip()
    return head if _COMMIT.fullmatch(head) else None


def _branches(common: Path) -> dict[str, str]:
    """Name -> commit of the branches in one file."""
    path = common / "packed-refs"
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: commit for commit, _, name in (line.partition(" ") for line in lines)}


def _changed(root: Path, repository: Path, common: Path, commit: str) -> bool:
    """Whether `git status` lists a file, submodules excepted."""
    with tempfile.TemporaryDirectory() as name:
        own = Path(name)
        for part in ("objects", "refs", "info"):
            (own / part).mkdir()
        (own / "HEAD").write_text(commit)
        exclude = common / "info/exclude"
        if exclude.is_file():
            (own / "info/exclude").write_bytes(exclude.read_bytes())
        variables = {
            "GIT_DIR": str(own),
            "GIT_WORK_TREE": str(root),
            "GIT_OBJECT_DIRECTORY": str(common / "objects"),
            "GIT_INDEX_FILE": str(repository / "index"),
            "GIT_OPTIONAL_LOCKS": "0",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        command = ["git", "status", "--porcelain", "--ignore-submodules=all"]
        done = subprocess.run(
            command, cwd=root, env=kept | variables, capture_output=True, text=True, timeout=10, check=True
        )
    return bool(done.stdout.strip())
