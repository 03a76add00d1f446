"""The folder of one seed of one variant: its files by name, and how its metrics grow. No torch.

The layout is that of `seqtool.runs.directory`.
"""

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqtool.runs.files import held, read_json, sweep, telling, write_atomic, write_json

FORMAT = 1
"""The number of the layout; a run directory of another one is refused."""


@dataclass(frozen=True)
class SeedDirectory:
    """What one seed of one variant leaves behind."""

    path: Path

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def last(self) -> Path:
        return self.path / "last.ckpt"

    @property
    def best(self) -> Path:
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
        """Keep what `seqtool intervene` measured; it replaces what was kept before."""
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
        """The steps of which there is a snapshot, in order."""
        return sorted(int(path.stem) for path in self.snapshots.glob("*.npz") if path.stem.isdecimal())

    def read_predictions(self) -> list[dict[str, Any]]:
        """An object an example: source, target, predicted, score, exact."""
        return [json.loads(line) for line in self.predictions.read_bytes().splitlines()]

    @property
    def finished(self) -> bool:
        return self.result.exists()

    def read_result(self) -> dict[str, Any]:
        """What `write_result` was given."""
        result = read_json(self.result)
        del result["format"]
        return result

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_json(self.result, {"format": FORMAT, **result})

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process, made where it is not there yet.

        Raises:
            SeqtoolError: another process trains it, such as one that a killed run left behind for its last step.
        """
        with telling(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with held(self.path / ".lock", f"another process is training {self.path}"):
            yield

    def write_error(self, text: str) -> None:
        """Keep why the job failed, instead of what was kept before; the next attempt removes it."""
        with telling(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.error, text.encode())

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        write_json(self.environment, {"format": FORMAT, **environment})

    def prepare(self, columns: Iterable[str], step: int) -> None:
        """Make ready to go on after `step`: rows and snapshots after it are dropped, as is every half-written file.

        Rows of an earlier seqtool keep their cells under their names; columns that it lacked stay empty in them.
        """
        with telling(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lines = self.metrics.read_text().splitlines(keepends=True) if step else []
            self.error.unlink(missing_ok=True)
        sweep(self.path)
        sweep(self.snapshots)
        for late in self.snapshot_steps():
            if late > step:
                self.snapshot(late).unlink()
        rows = csv.DictReader(line for line in lines if line.endswith("\n"))
        text = io.StringIO()
        writer = csv.DictWriter(text, list(columns), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if int(row["step"]) <= step)
        write_atomic(self.metrics, text.getvalue().encode())

    def append_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows in one write, so that a kill leaves whole rows; a column that a row lacks stays empty."""
        with telling(self.metrics):
            with open(self.metrics) as file:
                columns = file.readline().rstrip("\n").split(",")
            text = io.StringIO()
            csv.DictWriter(text, columns, lineterminator="\n").writerows(rows)
            content = text.getvalue().encode()
            with open(self.metrics, "ab", buffering=0) as sink:
                written = sink.write(content)
                if written != len(content):
                    sink.truncate(sink.tell() - (written or 0))
                    raise OSError("no space left for a whole row")

    def read_metrics(self) -> list[dict[str, str]]:
        if not self.metrics.exists():
            return []
        with open(self.metrics, newline="") as file:
            return list(csv.DictReader(file))
