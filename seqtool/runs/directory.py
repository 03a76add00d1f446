"""The run directory: the only module that knows its layout. No torch.

RUN/                       runs/<recipe>/<run id>, or --out
  run.json                 what was asked: recipe, variants, seeds, versions, git commit
  recipe.yaml              the recipe, verbatim
  result.json              what came out, over all variants and seeds
  losses.png  weights.png  report.html
  <variant>/resolved.yaml  the whole recipe of the variant, defaults filled in
  <variant>/task.json      what its task needs to encode and decode without its data
  <variant>/seed<k>/
    environment.json       device, precision, threads, parameters
    metrics.csv            one row every `log_every` steps and one for each validation
    last.ckpt  best.ckpt
    predictions.jsonl  alignments.npz  gates.npz   a fixed validation sample
    snapshots/<step>.npz   where the model looked in a few examples of it, while it was trained
    result.json            written last: a seed that has one is finished
    error.log              why it failed, with `--workers`
    interventions.json     of `seqtool intervene --save`
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
from seqtool.runs.files import TEMPORARY, held, read_json, sweep, telling, write_atomic, write_json
from seqtool.runs.seed_directory import FORMAT, SeedDirectory


@dataclass(frozen=True)
class RunDirectory:
    """One run of one recipe: its variants and their seeds."""

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
        """A new folder, `path` or runs/<recipe>/<a new run id>, with all that is known before training.

        It appears whole, under its name, or not at all.

        Args:
            path: where; it must not exist, or be an empty folder.
            plan: the content of run.json.
            recipe: the recipe, verbatim.
            resolved: the resolved recipe of each variant, as YAML.
            tasks: the state of each variant's task.

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
        with telling(path):
            existed = path.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path / f".draft.{os.getpid()}{TEMPORARY}" if existed else path.with_name(f".{path.name}{TEMPORARY}")
            draft.mkdir()
        try:
            cls(draft)._write_plan(plan, recipe, resolved, tasks)
            with telling(path):
                if existed:  # it may be somebody's working directory: fill it where it stands, run.json last
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
            with telling(self.path):
                self.resolved(variant).parent.mkdir()
            write_atomic(self.resolved(variant), text.encode())
            write_json(self.task(variant), {"format": FORMAT, "state": tasks[variant]})
        write_json(self.path / "run.json", {"format": FORMAT, **plan})

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """An existing run.

        Raises:
            SeqtoolError: no run is there, or it is of a later format.
        """
        if not (path / "run.json").is_file():
            why = "it has no run.json" if path.is_dir() else "there is no such folder"
            raise SeqtoolError(f"{path} is not a run: {why}")
        found = read_json(path / "run.json").get("format")
        if found != FORMAT:
            raise SeqtoolError(f"{path} is a run of format {found!r}; this seqtool reads format {FORMAT}")
        return cls(path)

    @property
    def lock(self) -> Path:
        """The file that a process holds while it trains the run."""
        return self.path / ".lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the system releases it when the process ends, however it ends.

        What a killed process was writing is swept away first.

        Raises:
            SeqtoolError: another process trains it.
        """
        with held(self.lock, f"another process is training {self.path}"):
            sweep(self.path)
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

    @property
    def weights(self) -> Path:
        return self.path / "weights.png"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def resolved(self, variant: str) -> Path:
        return self.path / variant / "resolved.yaml"

    def kept_recipe(self, variant: str) -> Path:
        """The file that a variant is built from again.

        Raises:
            RecipeError: it is gone.
        """
        path = self.resolved(variant)
        if not path.is_file():
            raise RecipeError(
                [Problem("it is gone from the run, which cannot be loaded without", (), Origin(str(path)))]
            )
        return path

    def task(self, variant: str) -> Path:
        return self.path / variant / "task.json"

    def read_task(self, variant: str) -> dict[str, Any]:
        """What the variant's task gave as its state; none in a run from before tasks had one."""
        if not self.task(variant).exists():
            return {}
        state: dict[str, Any] = read_json(self.task(variant))["state"]
        return state

    def read_plan(self) -> dict[str, Any]:
        return read_json(self.path / "run.json")

    def read_result(self) -> dict[str, Any]:
        return read_json(self.result)

    def write_result(self) -> dict[str, Any]:
        """Write result.json from what the seeds left, and return it."""
        result = self.gather()
        write_json(self.result, result)
        return result
