"""The commit of a recipe's folder, found without running what its repository configures."""

import os
import subprocess
from pathlib import Path

import pytest

from seqtool.runs.git_revision import git_revision


def git(folder: Path, *arguments: str) -> str:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    variables |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    names = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *names, *arguments], cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "recipe.yaml").write_text("seqtool: 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_commit_and_changes(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as within a hook of git
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "inner").mkdir()
    for folder in (repository, repository / "inner"):
        assert git_revision(folder) == {"commit": commit, "changed": False}
    (repository / "recipe.yaml").write_text("seqtool: 1\nname: a\n")
    assert git_revision(repository) == {"commit": commit, "changed": True}
    git(repository, "checkout", "-q", "recipe.yaml")
    (repository / "new.yaml").touch()
    assert git_revision(repository) == {"commit": commit, "changed": True}
    (repository / ".git/info/exclude").write_text("new.yaml\n")
    assert git_revision(repository) == {"commit": commit, "changed": False}


def test_other_forms_of_a_repository(repository: Path, tmp_path: Path) -> None:
    expected = {"commit": git(repository, "rev-parse", "HEAD"), "changed": False}
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"))
    assert git_revision(tmp_path / "tree") == expected
    git(repository, "pack-refs", "--all")
    git(repository, "gc", "-q")
    assert git_revision(repository) == expected
    git(repository, "checkout", "-q", "--detach")
    assert git_revision(repository) == expected


def test_a_folder_without_a_commit(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert git_revision(tmp_path) is None
    (tmp_path / ".git/HEAD").write_bytes(b"\xff\xfe")
    assert git_revision(tmp_path) is None


def test_the_configuration_of_the_repository_runs_nothing(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    settings = ["core.fsmonitor", "core.sshCommand", "filter.bad.clean", "filter.bad.process", "diff.external"]
    for setting in settings:
        git(repository, "config", setting, str(trap))
    git(repository, "config", "filter.bad.required", "true")
    for hook in ("post-index-change", "fsmonitor-watchman"):
        (repository / ".git/hooks").mkdir(exist_ok=True)
        (repository / ".git/hooks" / hook).symlink_to(trap)
    (repository / ".gitattributes").write_text("*.yaml filter=bad\n")
    os.utime(repository / "recipe.yaml", (0, 0))  # git must read the file to see whether it has changed
    found = git_revision(repository)
    assert found is not None
    assert found["changed"]
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "status")
    assert (tmp_path / "sprung").exists(), "the trap must work"
