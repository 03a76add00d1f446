"""From a claim to its verdict: train what is missing, measure, compare."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqtool.build.assembly import PreparedTasks
from seqtool.build.check import check
from seqtool.build.objectives import build_metrics
from seqtool.build.requirements import Provided
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.inference.bleu import Bleu
from seqtool.inference.evaluation import Evaluation, measure_names
from seqtool.inference.loading import load
from seqtool.recipe import Recipe, Reference
from seqtool.registry import Registry, default_registry
from seqtool.runs.files import read_json, telling, write_json
from seqtool.runs.provenance import revision
from seqtool.verification.claim import Claim, Measure, load_claim
from seqtool.verification.claim_runs import Key, Runs
from seqtool.verification.verdict import Finding, Verdict

VERDICT = "verdict.json"


RESULTS = ("train_loss", "valid_loss", "steps", "seconds", "steps_per_second", "parameters")
"""What result.json holds beside the metrics of its variant."""


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
    """Hold a claim against what its recipe reaches, and write verdict.json.

    Args:
        claim: the name of one that comes with seqtool, a file, or one that is loaded.
        out: the folder of its runs, finished and begun ones in it are gone on with; default: runs/verify/<name>.
        as_published: follow the schedule of the source to the letter, where the claim has it.
        seeds: only these of the claim's; the verdict says that it is partial.
        device: "cpu", "cuda", "cuda:1", "mps"; default: the recipe's to train, the CPU to evaluate.
        registry: where parts are found; default: all installed plugins.
        workers: how many seeds to train at a time; see `seqtool.run`.
        show_bar: a progress bar on stderr.

    Raises:
        MisuseError: no such claim, seed, or schedule. RecipeError: the claim or its recipe is wrong.
        SeqtoolError: what training and evaluating raise.
    """
    registry = registry or default_registry()
    claim = claim if isinstance(claim, Claim) else load_claim(claim, registry)
    chosen = _chosen(claim, seeds)
    recipe = claim.load_recipe(as_published, registry)
    variants = checked(claim, recipe)
    name = claim.name + ("_as_published" if as_published else "")
    folder = Path(out) if out is not None else Path("runs") / "verify" / name
    wanted = tuple((variant, seed) for variant in dict.fromkeys(variants) for seed in chosen)
    runs = Runs(folder, recipe, wanted, registry)
    runs.find()
    runs.train(device, workers, show_bar)
    findings = _findings(claim, variants, chosen, runs, device, registry)
    about = {
        "recipe": recipe.name,
        "git": revision(recipe.path.parent),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    trained = tuple(_trained(runs, key) for key in wanted)
    verdict = Verdict(claim, as_published, chosen, findings, trained, about)
    with telling(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / VERDICT, verdict.plain())
    return verdict


def _chosen(claim: Claim, seeds: Sequence[int]) -> tuple[int, ...]:
    known = claim.document.seeds
    if not isinstance(seeds, Sequence):
        raise MisuseError(f"seeds is a list of whole numbers, such as [0, 1]; got {seeds!r}")
    for seed in seeds:
        if seed not in known:
            raise MisuseError(f"{claim.name} is about no seed {seed}", allowed=map(str, known))
    return tuple(dict.fromkeys(seeds)) or tuple(known)


def checked(claim: Claim, recipe: Recipe) -> list[str]:
    """The variant of each measure, once the whole claim is found to fit its recipe, before anything is trained."""
    tasks = PreparedTasks()
    check(recipe, tasks)
    variants = [claim.variant_of(measure, recipe) for measure in claim.measures]
    for measure, variant in zip(claim.measures, variants, strict=True):
        task = tasks.of(recipe.variants[variant])
        metrics = build_metrics(recipe.variants[variant], Provided(task, num_heads=1))
        claim.check_figure(measure, measure_names(task, metrics), (*RESULTS, *metrics))
        if measure.metric == "bleu":
            Bleu(task, "tokens")  # what it needs may not be installed
    return variants


def _findings(
    claim: Claim, variants: list[str], seeds: Sequence[int], runs: Runs, device: str | None, registry: Registry
) -> tuple[Finding, ...]:
    """Every measure of every seed; what several of them ask of one evaluation is taken from it."""
    evaluated: dict[Any, Evaluation] = {}

    def value(measure: Measure, key: Key) -> float:
        directory = runs.finished[key]
        if measure.result is not None:
            return _of_result(directory.seed(*key).read_result(), measure.result, directory.seed(*key).result)
        search = measure.search
        assert search is None or isinstance(search, Reference), "the slots of a claim hold references"
        bleu = "tokens" if measure.metric == "bleu" else None
        how = key, measure.split, str(search and search.plain), measure.checkpoint, measure.batches, bleu
        if how not in evaluated:
            predictor = load(directory.path, *key, measure.checkpoint, device, registry=registry)
            evaluated[how] = predictor.evaluate(measure.split, search=search, batches=measure.batches, bleu=bleu)
        return evaluated[how].overall.measures[str(measure.metric)].value

    return tuple(
        Finding(measure, variant, {seed: value(measure, (variant, seed)) for seed in seeds})
        for measure, variant in zip(claim.measures, variants, strict=True)
    )


def _of_result(result: dict[str, Any], name: str, path: Path) -> float:
    found = result.get(name)
    if not isinstance(found, int | float):
        numbers = ", ".join(key for key, value in result.items() if isinstance(value, int | float))
        raise SeqtoolError(f"{path} has no number {name!r}\n    allowed: {numbers}")
    return float(found)


def _trained(runs: Runs, key: Key) -> dict[str, Any]:
    """Where one seed of one variant was trained, on what, from which commit, and how long it took."""
    directory = runs.finished[key]
    place, plan = directory.seed(*key), directory.read_plan()
    environment = read_json(place.environment)
    inside = directory.path.relative_to(runs.folder).as_posix()
    return {
        "variant": key[0],
        "seed": key[1],
        "run": inside,
        "steps": place.read_result()["steps"],
        "seconds": place.read_result()["seconds"],
        "device": environment["device"],
        "threads": environment["threads"],
        "machine": plan.get("machine"),
        "git": plan["git"],
        "versions": plan["versions"],
        "created": plan["created"],
    }
