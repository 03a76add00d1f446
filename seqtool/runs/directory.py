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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqtool.errors import Origin, Problem, RecipeError, SeqtoolError
from seqtool.runs.files import (
    TEMPORARY,
    file_lock,
    points_outside,
    read_json,
    remove_temporary_files,
    write_json,
)
from seqtool.runs.plan_file import read_plan
from seqtool.runs.seed_directory import FORMAT, SeedDirectory


@dataclass(frozen=True)
class RunDirectory:
    """The directory of one run: all variants and seeds of a recipe."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """Open an existing run.

        Raises:
            SeqtoolError: there is no run at `path`, it has another format, run.json is invalid, or a symbolic link in
                the folder points outside.
        """
        directory = cls(path)
        if not directory.plan.is_file():
            if directory.incomplete.exists():
                raise SeqtoolError(f"{path} was not completely created\n    allowed: the same command with --out again")
            why = "it has no run.json" if path.is_dir() else "there is no such folder"
            raise SeqtoolError(f"{path} is not a run: {why}")
        found = read_json(directory.plan).get("format")
        if found != FORMAT:
            raise SeqtoolError(f"{path} has format {found!r}; this seqtool reads format {FORMAT}")
        directory.read_plan()
        directory._refuse_outside_links()
        return directory

    def _refuse_outside_links(self) -> None:
        for folder, folders, files in os.walk(self.path):
            for path in (Path(folder) / name for name in (*folders, *files)):
                if path.is_symlink() and points_outside(path, self.path):
                    raise SeqtoolError(
                        f"{path} is a symbolic link to a place outside of the run\n"
                        "    allowed: a run directory that contains all of its files"
                    )

    @property
    def plan(self) -> Path:
        return self.path / "run.json"

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def incomplete(self) -> Path:
        """Lists the names of a run that is being created; exists until all its files are written."""
        return self.path / f".incomplete{TEMPORARY}"

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
        state = read_json(self.task(variant)).get("state")
        if not isinstance(state, dict):
            raise SeqtoolError(f"{self.task(variant)} is damaged: it has no object `state`")
        return state

    def read_plan(self) -> dict[str, Any]:
        """The checked content of run.json. Raises: see `plan_file.read_plan`."""
        return read_plan(self.plan)

    def add_seeds(self, seeds: Iterable[int]) -> None:
        """Add seeds to run.json; those that it has are skipped."""
        plan = self.read_plan()
        added = [seed for seed in seeds if seed not in plan["seeds"]]
        if added:
            write_json(self.plan, plan | {"seeds": [*plan["seeds"], *added]})

    def read_result(self) -> dict[str, Any]:
        return read_json(self.result)

    def write_result(self) -> dict[str, Any]:
        """Write result.json from the results of the seeds, and return it."""
        result = self.collect_results()
        write_json(self.result, result)
        return result
