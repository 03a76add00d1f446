"""Fixtures of tests that train."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_run import REVERSES, SMALL

import seqtool


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The small recipe as a file."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def command(call: Callable[..., tuple[int, str, str]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `seqtool` with these arguments in this process, which has imported torch and Lightning already."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, *call(*arguments))

    return run


@pytest.fixture
def spawn() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m seqtool` with these arguments in a process of its own, in one thread."""

    def run(*arguments: str | Path, timeout: float = 120, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "seqtool", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | extra,
        )

    return run


@pytest.fixture(scope="session")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run that reverses words, moved to another folder without its recipe. Tests must not write to it."""
    folder = tmp_path_factory.mktemp("reverses")
    recipe = folder / "reverses.yaml"
    recipe.write_text(REVERSES)
    seqtool.run(recipe, out=folder / "run")
    recipe.unlink()
    return Path(shutil.move(folder / "run", tmp_path_factory.mktemp("elsewhere") / "kept"))
