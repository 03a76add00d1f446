"""Creates run directories. No torch."""

import contextlib
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqtool.errors import SeqtoolError
from seqtool.runs.directory import RunDirectory
from seqtool.runs.files import (
    file_lock,
    read_json,
    remove,
    remove_temporary_files,
    translate_write_errors,
    write_atomic,
    write_json,
)
from seqtool.runs.plan_file import is_folder_name
from seqtool.runs.seed_directory import FORMAT


def create_run(
    path: Path | None,
    plan: Mapping[str, Any],
    recipe: str,
    resolved: Mapping[str, str],
    tasks: Mapping[str, Mapping[str, Any]],
) -> RunDirectory:
    """Create a run directory with everything that is known before training.

    run.json is written last. If the process is killed before, the next call with the same path starts again.

    Args:
        path: a new or empty folder; default: runs/<recipe>/<new run id>.
        plan: the content of run.json.
        recipe: the recipe, verbatim.
        resolved: the resolved recipe of each variant, as YAML.
        tasks: the state of each variant's task.

    Raises:
        SeqtoolError: the folder is not empty, or cannot be written.
    """
    if path is None:
        run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        path = Path("runs") / plan["recipe"] / run_id
    directory = RunDirectory(path.resolve() if path.name in ("", "..") else path)
    existed = directory.path.exists()
    _refuse_used(directory)
    with translate_write_errors(directory.path):
        directory.path.mkdir(parents=True, exist_ok=True)
    try:
        with file_lock(directory.lock, f"another process is training {directory.path}"):
            _refuse_used(directory)
            _remove_incomplete(directory)
            _write(directory, plan, recipe, resolved, tasks)
    except BaseException:
        if not existed:
            with contextlib.suppress(OSError):
                directory.lock.unlink(missing_ok=True)
                directory.path.rmdir()
        raise
    return directory


def _refuse_used(directory: RunDirectory) -> None:
    """Raise if the folder contains a run or other files; those of an incomplete run are allowed."""
    path = directory.path
    if not path.exists() or (directory.incomplete.exists() and not directory.plan.exists()):
        return
    if not path.is_dir() or any(entry != directory.lock for entry in path.iterdir()):
        raise SeqtoolError(
            f"{path} already exists, and a run never overwrites another\n    allowed: another --out, or --resume {path}"
        )


def _write(
    directory: RunDirectory,
    plan: Mapping[str, Any],
    recipe: str,
    resolved: Mapping[str, str],
    tasks: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write the files; in case of an error, remove those that are written."""
    names = ["recipe.yaml", *resolved]
    with translate_write_errors(directory.path):
        directory.incomplete.write_text(json.dumps({"names": names}))
    try:
        write_atomic(directory.recipe, recipe.encode())
        for variant, text in resolved.items():
            with translate_write_errors(directory.path):
                directory.resolved(variant).parent.mkdir()
            write_atomic(directory.resolved(variant), text.encode())
            write_json(directory.task(variant), {"format": FORMAT, "state": tasks[variant]})
        write_json(directory.plan, {"format": FORMAT, **plan})
    finally:
        _remove_incomplete(directory)


def _remove_incomplete(directory: RunDirectory) -> None:
    """Remove the files of a run that was not completely created, and temporary files."""
    if not directory.incomplete.exists():
        return
    names: Any = None
    with contextlib.suppress(SeqtoolError):  # killed before the list was complete, and before anything else existed
        names = read_json(directory.incomplete).get("names")
    with translate_write_errors(directory.path):
        for name in names if isinstance(names, list) and not directory.plan.exists() else ():
            if is_folder_name(name):
                remove(directory.path / name)
    remove_temporary_files(directory.path)
