"""The cache folder: named by the environment, otherwise in the user's cache folder."""

import sys
from pathlib import Path

import pytest

from seqtool.api import cache_folder


def test_environment_variable_names_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("SEQTOOL_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.setenv("SEQTOOL_CACHE", "")
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "user" / "seqtool"
    assert cache_folder().name.lower() == "seqtool"
    assert not list(tmp_path.iterdir()), "a query creates no folder"
