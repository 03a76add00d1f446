"""The folder of one seed of one variant: its file names, and writing its metrics. No torch.

`seqtool.runs.directory` describes the layout.
"""

import contextlib
import csv
import io
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqtool.errors import SeqtoolError
from seqtool.runs.files import (
    file_lock,
    read_json,
    remove_temporary_files,
    translate_write_errors,
    write_atomic,
    write_json,
)

FORMAT = 1
"""The version of the layout. Run directories of other versions are refused."""


@dataclass(frozen=True)
class SeedDirectory:
    """The files of one seed of one variant."""

    path: Path

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def last_checkpoint(self) -> Path:
        return self.path / "last.ckpt"

    @property
    def best_checkpoint(self) -> Path:
        return self.path / "best.ckpt"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.jsonl"

    @property
    def alignments(self) -> Path:
        return self.path / "alignments.npz"

    @property
    def gates(self) -> Path:
        return self.path / "gates.npz"

    @property
    def error(self) -> Path:
        return self.path / "error.log"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def interventions(self) -> Path:
        return self.path / "interventions.json"

    def write_interventions(self, found: Mapping[str, Any]) -> None:
        """Write the results of `seqtool intervene`, replacing earlier ones."""
        write_json(self.interventions, {"format": FORMAT, **found})

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    def snapshot(self, step: int) -> Path:
        return self.snapshots / f"{step}.npz"

    @property
    def snapshot_examples(self) -> Path:
        return self.snapshots / "examples.jsonl"

    def snapshot_steps(self) -> list[int]:
        """The steps that have a snapshot, in ascending order."""
        return sorted(int(path.stem) for path in self.snapshots.glob("*.npz") if path.stem.isdecimal())

    def read_predictions(self) -> list[dict[str, Any]]:
        """One object for each example, with source, target, predicted, score and exact."""
        return [json.loads(line) for line in self.predictions.read_bytes().splitlines()]

    @property
    def finished(self) -> bool:
        return self.result.exists()

    def read_result(self) -> dict[str, Any]:
        """The result that `write_result` wrote.

        Raises:
            SeqtoolError: the file cannot be read, or lacks the number of parameters.
        """
        result = read_json(self.result)
        result.pop("format", None)
        if not isinstance(result.get("parameters"), int):
            raise SeqtoolError(
                f"{self.result} is damaged: it has no number `parameters`\n"
                "    allowed: remove the file and resume the run, which writes it again from the checkpoint"
            )
        return result

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_json(self.result, {"format": FORMAT, **result})

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process. The folder is created if it is missing.

        Raises:
            SeqtoolError: another process trains this seed, for example a worker that outlives a killed run.
        """
        with translate_write_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with file_lock(self.path / ".lock", f"another process is training {self.path}"):
            yield

    def write_error(self, text: str) -> None:
        """Write error.log, replacing an earlier one. The next attempt removes it."""
        with translate_write_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.error, text.encode())

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        write_json(self.environment, {"format": FORMAT, **environment})

    def prepare(self, columns: Iterable[str], step: int) -> None:
        """Prepare the folder for training after `step`.

        Removes later rows and snapshots, incomplete rows and temporary files. Existing rows keep their values by column
        name; columns that they lack stay empty.
        """
        with translate_write_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lines = self.metrics.read_text(errors="replace").splitlines(keepends=True) if step else []
            self.error.unlink(missing_ok=True)
        remove_temporary_files(self.path)
        remove_temporary_files(self.snapshots)
        for snapshot_step in self.snapshot_steps():
            if snapshot_step > step:
                self.snapshot(snapshot_step).unlink()
        text = io.StringIO()
        writer = csv.DictWriter(text, list(columns), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in self._complete_rows(lines) if int(row["step"]) <= step)
        write_atomic(self.metrics, text.getvalue().encode())

    def _complete_rows(self, lines: Iterable[str]) -> list[dict[str, str]]:
        """The rows of metrics.csv with a valid step and a value in each column. A warning reports damaged rows."""
        rows = list(csv.DictReader((line for line in lines if line.endswith("\n")), quoting=csv.QUOTE_NONE))
        valid = [row for row in rows if None not in row and None not in row.values() and _is_step(row.get("step"))]
        if len(valid) < len(rows):
            warnings.warn(f"{self.metrics}: {len(rows) - len(valid)} damaged rows are removed", stacklevel=2)
        return valid

    def append_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows in a single write, so that a kill leaves no partial row. Missing columns stay empty."""
        with translate_write_errors(self.metrics):
            with open(self.metrics) as file:
                columns = file.readline().rstrip("\n").split(",")
            text = io.StringIO()
            csv.DictWriter(text, columns, lineterminator="\n").writerows(rows)
            content = text.getvalue().encode()
            with open(self.metrics, "ab", buffering=0) as sink:
                written = sink.write(content)
                if written != len(content):
                    sink.truncate(sink.tell() - (written or 0))
                    raise OSError("no space left for a complete row")

    def read_metrics(self) -> list[dict[str, str]]:
        if not self.metrics.exists():
            return []
        with open(self.metrics, newline="") as file:
            return list(csv.DictReader(file))


def _is_step(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdecimal() and len(text) < 19
