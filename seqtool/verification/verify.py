"""Verifies a claim: trains missing runs, measures them, and compares with the bands."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqtool.build.assembly import PreparedTasks
from seqtool.build.check import check
from seqtool.build.objectives import build_metrics
from seqtool.build.requirements import Provided
from seqtool.build.torch_settings import default_settings
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.inference.bleu import Bleu
from seqtool.inference.evaluation import Evaluation, measure_names
from seqtool.inference.loading import load
from seqtool.recipe import Recipe, Reference
from seqtool.registry import Registry, default_registry
from seqtool.runs.files import read_json, translate_write_errors, write_json
from seqtool.runs.git_revision import git_revision
from seqtool.verification.claim import Claim, Measure, load_claim
from seqtool.verification.claim_runs import ClaimRuns, Key
from seqtool.verification.verdict import Finding, Verdict

VERDICT = "verdict.json"
RESULTS = ("train_loss", "valid_loss", "steps", "seconds", "steps_per_second", "parameters")
"""The keys of a seed's result.json besides its metrics."""


@default_settings()
def verify(
    claim: str | Path | Claim,
    *,
    out: str | Path | None = None,
    as_published: bool = False,
    seeds: Sequence[int] = (),
    device: str | None = None,
    registry: Registry | None = None,
    workers: int = 1,
    show_bar: bool = False,
) -> Verdict:
    """Compare the results of a claim's recipe with its bands, and write verdict.json.

    Args:
        claim: the name of a bundled claim, a file, or a loaded claim.
        out: the folder of its runs; existing runs in it are used or resumed. Default: runs/verify/<name>.
        as_published: whether to follow exactly the published schedule; the claim must have one.
        seeds: a subset of the claim's seeds; the verdict is then partial.
        device: "cpu", "cuda", "cuda:1", "mps"; default: the recipe's for training, the CPU for evaluation.
        registry: the available parts; default: all installed plugins.
        workers: number of seeds to train in parallel; see `seqtool.run`.
        show_bar: whether to show a progress bar on stderr.

    Raises:
        MisuseError: the claim, a seed or the schedule does not exist. RecipeError: the claim or its recipe is invalid.
        SeqtoolError: training or evaluation failed.
    """
    registry = registry or default_registry()
    claim = claim if isinstance(claim, Claim) else load_claim(claim, registry)
    chosen = _select_seeds(claim, seeds)
    recipe = claim.load_recipe(as_published, registry)
    variants = check_claim(claim, recipe)
    name = claim.name + ("_as_published" if as_published else "")
    folder = Path(out) if out is not None else Path("runs") / "verify" / name
    wanted = tuple((variant, seed) for variant in dict.fromkeys(variants) for seed in chosen)
    runs = ClaimRuns(folder, recipe, wanted, registry)
    runs.find()
    runs.train(device, workers, show_bar)
    findings = _findings(claim, variants, chosen, runs, device, registry)
    about = {
        "recipe": recipe.name,
        "git": git_revision(recipe.path.parent),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    trained = tuple(_trained(runs, key) for key in wanted)
    verdict = Verdict(claim, as_published, chosen, findings, trained, about)
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / VERDICT, verdict.plain())
    return verdict


def _select_seeds(claim: Claim, seeds: Sequence[int]) -> tuple[int, ...]:
    known = claim.document.seeds
    if not isinstance(seeds, Sequence):
        raise MisuseError(f"seeds is a list of integers, such as [0, 1]; got {seeds!r}")
    for seed in seeds:
        if seed not in known:
            raise MisuseError(f"{claim.name} has no seed {seed}", allowed=map(str, known))
    return tuple(dict.fromkeys(seeds)) or tuple(known)


def check_claim(claim: Claim, recipe: Recipe) -> list[str]:
    """The variant of each measure, once the whole claim is found to fit its recipe, before anything is trained."""
    tasks = PreparedTasks()
    check(recipe, tasks)
    variants = [claim.variant_of(measure, recipe) for measure in claim.measures]
    for measure, variant in zip(claim.measures, variants, strict=True):
        task = tasks.of(recipe.variants[variant])
        metrics = build_metrics(recipe.variants[variant], Provided(task, num_heads=1))
        claim.check_measure(measure, measure_names(task, metrics), (*RESULTS, *metrics))
        if measure.metric == "bleu":
            Bleu(task, "tokens")  # raises if its dependency is not installed
    return variants


def _findings(
    claim: Claim, variants: list[str], seeds: Sequence[int], runs: ClaimRuns, device: str | None, registry: Registry
) -> tuple[Finding, ...]:
    """The value of every measure for every seed. Measures of the same evaluation share it."""
    evaluated: dict[Any, Evaluation] = {}

    def value(measure: Measure, key: Key) -> float:
        directory = runs.finished[key]
        if measure.result is not None:
            return _result_value(directory.seed(*key).read_result(), measure.result, directory.seed(*key).result)
        search = measure.search
        assert search is None or isinstance(search, Reference), "the slots of a claim hold references"
        bleu = "tokens" if measure.metric == "bleu" else None
        settings = key, measure.split, str(search and search.plain), measure.checkpoint, measure.batches, bleu
        if settings not in evaluated:
            predictor = load(directory.path, *key, measure.checkpoint, device, registry=registry)
            evaluated[settings] = predictor.evaluate(measure.split, search=search, batches=measure.batches, bleu=bleu)
        return evaluated[settings].overall.measures[str(measure.metric)].value

    return tuple(
        Finding(measure, variant, {seed: value(measure, (variant, seed)) for seed in seeds})
        for measure, variant in zip(claim.measures, variants, strict=True)
    )


def _result_value(result: dict[str, Any], name: str, path: Path) -> float:
    value = result.get(name)
    if not isinstance(value, int | float):
        numbers = ", ".join(key for key, other in result.items() if isinstance(other, int | float))
        raise SeqtoolError(f"{path} has no number {name!r}\n    allowed: {numbers}")
    return float(value)


def _trained(runs: ClaimRuns, key: Key) -> dict[str, Any]:
    """The run, machine, commit and training time of one seed of one variant."""
    directory = runs.finished[key]
    files, plan = directory.seed(*key), directory.read_plan()
    environment, result = read_json(files.environment), files.read_result()
    return {
        "variant": key[0],
        "seed": key[1],
        "run": directory.path.relative_to(runs.folder).as_posix(),
        "steps": result["steps"],
        "seconds": result["seconds"],
        "device": environment["device"],
        "threads": environment["threads"],
        "machine": plan.get("machine"),
        "git": plan["git"],
        "versions": plan["versions"],
        "created": plan["created"],
    }
