"""The run directory and its layout, which no module outside `seqtool.runs` knows. No torch.

RUN/                       runs/<recipe>/<run id>, or --out
  run.json                 recipe, variants, seeds, command, versions, git commit
  recipe.yaml              the recipe, verbatim
  result.json              results of all variants and seeds
  losses.png  weights.png  report.html
  <variant>/resolved.yaml  the complete recipe of the variant, including defaults
  <variant>/task.json      the state that the task needs to encode and decode without its data
  <variant>/seed<k>/
    environment.json       device, precision, threads, parameters
    metrics.csv            one row every `log_every` steps and one for each validation
    last.ckpt  best.ckpt
    predictions.jsonl  alignments.npz  gates.npz   a fixed validation sample
    snapshots/<step>.npz   attention weights of a few examples during training
    result.json            written last; marks the seed as finished
    error.log              the traceback of a failed job, with `--workers`
    interventions.json     from `seqtool intervene --save`
"""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqtool.errors import Origin, Problem, RecipeError, SeqtoolError
from seqtool.runs.files import (
    TEMPORARY,
    file_lock,
    read_json,
    remove_temporary_files,
    translate_write_errors,
    write_atomic,
    write_json,
)
from seqtool.runs.seed_directory import FORMAT, SeedDirectory


@dataclass(frozen=True)
class RunDirectory:
    """The directory of one run: all variants and seeds of a recipe."""

    path: Path

    @classmethod
    def create(
        cls,
        path: Path | None,
        plan: Mapping[str, Any],
        recipe: str,
        resolved: Mapping[str, str],
        tasks: Mapping[str, Mapping[str, Any]],
    ) -> "RunDirectory":
        """Create a run directory with everything that is known before training. Atomic.

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
        path = path.resolve() if path.name in ("", "..") else path
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise SeqtoolError(
                f"{path} already exists, and a run never overwrites another\n"
                f"    allowed: another --out, or --resume {path}"
            )
        with translate_write_errors(path):
            existed = path.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path / f".draft.{os.getpid()}{TEMPORARY}" if existed else path.with_name(f".{path.name}{TEMPORARY}")
            draft.mkdir()
        try:
            cls(draft)._write_plan(plan, recipe, resolved, tasks)
            with translate_write_errors(path):
                if existed:  # may be a working directory: move the files into it, run.json last
                    for child in sorted(draft.iterdir(), key=lambda child: child.name == "run.json"):
                        os.rename(child, path / child.name)
                    draft.rmdir()
                else:
                    os.rename(draft, path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return cls(path)

    def _write_plan(
        self,
        plan: Mapping[str, Any],
        recipe: str,
        resolved: Mapping[str, str],
        tasks: Mapping[str, Mapping[str, Any]],
    ) -> None:
        write_atomic(self.path / "recipe.yaml", recipe.encode())
        for variant, text in resolved.items():
            with translate_write_errors(self.path):
                self.resolved(variant).parent.mkdir()
            write_atomic(self.resolved(variant), text.encode())
            write_json(self.task(variant), {"format": FORMAT, "state": tasks[variant]})
        write_json(self.path / "run.json", {"format": FORMAT, **plan})

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """Open an existing run.

        Raises:
            SeqtoolError: there is no run at `path`, or it has another format.
        """
        if not (path / "run.json").is_file():
            why = "it has no run.json" if path.is_dir() else "there is no such folder"
            raise SeqtoolError(f"{path} is not a run: {why}")
        found = read_json(path / "run.json").get("format")
        if found != FORMAT:
            raise SeqtoolError(f"{path} has format {found!r}; this seqtool reads format {FORMAT}")
        return cls(path)

    @property
    def lock(self) -> Path:
        """The lock file of the process that trains the run."""
        return self.path / ".lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the run for this process, then remove temporary files of killed processes.

        The system releases the lock when the process ends.

        Raises:
            SeqtoolError: another process trains the run.
        """
        with file_lock(self.lock, f"another process is training {self.path}"):
            remove_temporary_files(self.path)
            yield

    def seed(self, variant: str, seed: int) -> SeedDirectory:
        return SeedDirectory(self.path / variant / f"seed{seed}")

    def collect_results(self) -> dict[str, Any]:
        """The results of all finished seeds of all variants, in the format of result.json."""
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
    def losses_plot(self) -> Path:
        return self.path / "losses.png"

    @property
    def weights_plot(self) -> Path:
        return self.path / "weights.png"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def resolved(self, variant: str) -> Path:
        return self.path / variant / "resolved.yaml"

    def resolved_recipe(self, variant: str) -> Path:
        """The path of resolved.yaml, from which the variant is built again.

        Raises:
            RecipeError: the file is missing.
        """
        path = self.resolved(variant)
        if not path.is_file():
            raise RecipeError([Problem("the file is missing, and the run needs it", (), Origin(str(path)))])
        return path

    def task(self, variant: str) -> Path:
        return self.path / variant / "task.json"

    def read_task(self, variant: str) -> dict[str, Any]:
        """The saved state of the variant's task; empty for runs written before tasks had one."""
        if not self.task(variant).exists():
            return {}
        state: dict[str, Any] = read_json(self.task(variant))["state"]
        return state

    def read_plan(self) -> dict[str, Any]:
        return read_json(self.path / "run.json")

    def read_result(self) -> dict[str, Any]:
        return read_json(self.result)

    def write_result(self) -> dict[str, Any]:
        """Write result.json from the results of the seeds, and return it."""
        result = self.collect_results()
        write_json(self.result, result)
        return result
