"""The run directory: the only module that knows its layout. No torch.

RUN/                       runs/<recipe>/<run id>, or --out
  run.json                 what was asked: recipe, variants, seeds, versions, git commit
  recipe.yaml              the recipe, verbatim
  result.json              what came out, over all variants and seeds
  losses.png
  <variant>/resolved.yaml  the whole recipe of the variant, defaults filled in
  <variant>/seed<k>/
    environment.json       device, precision, threads, parameters
    metrics.csv            one row every `log_every` steps and one for each validation
    last.ckpt  best.ckpt
    predictions.jsonl  alignments.npz   a fixed validation sample
    result.json            written last: a seed that has one is finished
"""

import contextlib
import csv
import io
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from seqtool.errors import SeqtoolError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows has none; there nothing stops two processes from training one run
    fcntl = None

FORMAT = 1
TEMPORARY = ".tmp"


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
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.jsonl"

    @property
    def alignments(self) -> Path:
        return self.path / "alignments.npz"

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

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        write_json(self.path / "environment.json", {"format": FORMAT, **environment})

    def prepare(self, columns: Iterable[str], step: int) -> None:
        """Make ready to go on after `step`: rows after it are dropped, and so is every half-written file."""
        with _told(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            for leftover in self.path.glob(f".*{TEMPORARY}"):
                leftover.unlink()
            lines = self.metrics.read_text().splitlines(keepends=True)[1:] if step else []
        kept = [line for line in lines if line.endswith("\n") and int(line.split(",", 1)[0]) <= step]
        write_atomic(self.metrics, "".join([",".join(columns) + "\n", *kept]).encode())

    def append_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows in one write, so that a kill leaves whole rows; a column that a row lacks stays empty."""
        with _told(self.metrics):
            with open(self.metrics) as file:
                columns = file.readline().rstrip("\n").split(",")
            text = io.StringIO()
            csv.DictWriter(text, columns, lineterminator="\n").writerows(rows)
            with open(self.metrics, "ab", buffering=0) as sink:
                sink.write(text.getvalue().encode())

    def read_metrics(self) -> list[dict[str, str]]:
        if not self.metrics.exists():
            return []
        with open(self.metrics, newline="") as file:
            return list(csv.DictReader(file))


@dataclass(frozen=True)
class RunDirectory:
    """One run of one recipe: its variants and their seeds."""

    path: Path

    @classmethod
    def create(
        cls, path: Path | None, plan: Mapping[str, Any], recipe: str, resolved: Mapping[str, str]
    ) -> "RunDirectory":
        """A new folder, `path` or runs/<recipe>/<a new run id>, with all that is known before training.

        It appears whole, under its name, or not at all.

        Args:
            path: where; it must not exist, or be an empty folder.
            plan: the content of run.json.
            recipe: the recipe, verbatim.
            resolved: the resolved recipe of each variant, as YAML.

        Raises:
            SeqtoolError: it exists and is not empty, or cannot be written.
        """
        if path is None:
            run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
            path = Path("runs") / plan["recipe"] / run_id
        path = path.resolve() if path.name in ("", "..") else path
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise SeqtoolError(
                f"{path} exists already, and a run never writes over another\n"
                f"    allowed: another --out, or --resume {path} to go on with it"
            )
        draft = cls(path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}"))
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.path.mkdir()
        try:
            write_atomic(draft.path / "recipe.yaml", recipe.encode())
            for variant, text in resolved.items():
                with _told(path):
                    draft.resolved(variant).parent.mkdir()
                write_atomic(draft.resolved(variant), text.encode())
            write_json(draft.path / "run.json", {"format": FORMAT, **plan})
            with _told(path):
                if path.exists():  # an empty folder may be somebody's working directory: fill it, run.json last
                    for child in sorted(draft.path.iterdir(), key=lambda child: child.name == "run.json"):
                        os.rename(child, path / child.name)
                    draft.path.rmdir()
                else:
                    os.rename(draft.path, path)
        except BaseException:
            shutil.rmtree(draft.path, ignore_errors=True)
            raise
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """An existing run.

        Raises:
            SeqtoolError: no run is there, or it is of a later format.
        """
        if not (path / "run.json").is_file():
            raise SeqtoolError(f"{path} is not a run: it has no run.json")
        found = read_json(path / "run.json").get("format")
        if found != FORMAT:
            raise SeqtoolError(f"{path} is a run of format {found!r}; this seqtool reads format {FORMAT}")
        return cls(path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the system lets go of it when the process ends, however it ends.

        Raises:
            SeqtoolError: another process trains it.
        """
        with open(self.path / "run.json") as file:
            if fcntl:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise SeqtoolError(f"another process is training {self.path}") from error
            yield

    def seed(self, variant: str, seed: int) -> SeedDirectory:
        return SeedDirectory(self.path / variant / f"seed{seed}")

    def gather(self) -> dict[str, Any]:
        """The results of all finished seeds of all variants, as result.json holds them."""
        plan, variants = self.read_plan(), {}
        for name in plan["variants"]:
            finished = {
                seed: self.seed(name, seed).read_result() for seed in plan["seeds"] if self.seed(name, seed).finished
            }
            if finished:
                parameters = next(iter(finished.values()))["parameters"]
                seeds = {str(seed): result for seed, result in finished.items()}
                variants[name] = {"parameters": parameters, "seeds": seeds}
        return {"format": FORMAT, "run": str(self.path), "variants": variants}

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def losses(self) -> Path:
        return self.path / "losses.png"

    def resolved(self, variant: str) -> Path:
        return self.path / variant / "resolved.yaml"

    def read_plan(self) -> dict[str, Any]:
        return read_json(self.path / "run.json")

    def read_result(self) -> dict[str, Any]:
        return read_json(self.result)

    def write_result(self) -> dict[str, Any]:
        """Write result.json from what the seeds left, and return it."""
        result = self.gather()
        write_json(self.result, result)
        return result


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        SeqtoolError: it cannot be read, or is no JSON object.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SeqtoolError(f"cannot read {path}: {error}") from error
    if not isinstance(found, dict):
        raise SeqtoolError(f"cannot read {path}: it holds no JSON object")
    return found


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def write_atomic(path: Path, content: bytes) -> None:
    """Write a whole file or none of it."""
    write_atomic_with(path, lambda file: file.write(content))


def write_atomic_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Have `write` fill a temporary file beside `path`, make sure it is on the disk, and put it in place.

    Raises:
        SeqtoolError: the folder cannot be written, or the disk is full; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    with _told(path):
        try:
            with open(temporary, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell an operating system's refusal in our words."""
    try:
        yield
    except OSError as error:
        raise SeqtoolError(f"cannot write {path}: {error.strerror or error}") from error
