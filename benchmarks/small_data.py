"""Accuracy on small sets of pairs: the bundled recipe `text_pairs` and yoyodyne's attentive LSTM with its defaults.

    python -m benchmarks.small_data FOLDER --sets ady gre ita khm slv wel_sw --seeds 0 1 2 --json results.jsonl
    python -m benchmarks.small_data --sets copy reverse identity --epochs 100 --seeds 0 1 2 --json results.jsonl

FOLDER contains NAME_train.tsv, NAME_dev.tsv and NAME_test.tsv, whose targets are separated by spaces, as in the shared
task https://github.com/sigmorphon/2021-task1. The sets copy, reverse and identity are generated, with 100 training
pairs. Embeddings have 64 elements and each LSTM 64 units. Both train the same number of epochs, and the weights of the
last step are evaluated. Trainings whose results are in the JSON file are not repeated.
"""

import argparse
import contextlib
import io
import json
import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import seqtool

EMBEDDING_SIZE, HIDDEN_SIZE = 64, 64
NUM_GENERATED = 100
"""Pairs in each split of a generated set."""
GENERATED: dict[str, tuple[str, Callable[[str], str]]] = {
    "copy": ("abcdefghij", lambda source: source),
    "reverse": ("abcdefghij", lambda source: source[::-1]),
    "identity": ("abcdefghijklmnopqrstuvwxyz", lambda source: source),
}
"""The alphabet of a generated set, and its targets. Sources have 3 to 8 letters."""


class PairSet(NamedTuple):
    """The files of a set. `separator`: between the symbols of a target; empty for characters."""

    train: Path
    dev: Path
    test: Path
    separator: str


def generate(name: str, folder: Path) -> PairSet:
    """Write a generated set, which depends on its name alone."""
    alphabet, target = GENERATED[name]
    generator = random.Random(name)
    sources: dict[str, None] = {}
    while len(sources) < 3 * NUM_GENERATED:
        sources["".join(generator.choice(alphabet) for _ in range(generator.randint(3, 8)))] = None
    paths = [folder / f"{name}_{split}.tsv" for split in ("train", "dev", "test")]
    for number, path in enumerate(paths):
        some = list(sources)[number * NUM_GENERATED : (number + 1) * NUM_GENERATED]
        path.write_text("".join(f"{source}\t{target(source)}\n" for source in some), encoding="utf-8")
    return PairSet(*paths, "")


def train_seqtool(pairs: PairSet, split: str, seed: int, epochs: int, overrides: list[str]) -> float:
    """The exact match of the bundled recipe on a split."""
    recipe = seqtool.load_recipe("text_pairs", overrides=overrides)
    batch_size = recipe.variants["default"].data["train"]["batch_size"]
    steps = epochs * len(pairs.train.read_text(encoding="utf-8").splitlines()) // batch_size
    settings = {
        "task.train": pairs.train,
        "task.valid": pairs.dev,
        "task.test": pairs.test,
        "task.target_unit": "words" if pairs.separator else "characters",
        "train.steps": steps,
        "train.validate_every": steps,
    }
    with tempfile.TemporaryDirectory() as folder:
        given = [*(f"{path}={value}" for path, value in settings.items()), *overrides]
        seqtool.run("text_pairs", overrides=given, seeds=[seed], out=folder, device="cpu")
        measured = seqtool.load(folder).evaluate("valid" if split == "dev" else "test", batch_size=NUM_GENERATED)
    return measured.overall.measures["exact_match"].value


def train_yoyodyne(pairs: PairSet, split: str, seed: int, epochs: int, overrides: list[str]) -> float:
    """The exact match of yoyodyne's attentive LSTM on a split; sizes and epochs are ours, all else its defaults."""
    import lightning
    from yoyodyne import data, models
    from yoyodyne.models import modules

    lightning.seed_everything(seed, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        module = data.DataModule(
            model_dir=folder,
            train=str(pairs.train),
            val=str(pairs.dev),
            test=str(getattr(pairs, split)),
            target_sep=pairs.separator,
        )
        model = models.SoftAttentionLSTMModel(
            source_encoder=modules.LSTMEncoder(hidden_size=HIDDEN_SIZE, embedding_size=EMBEDDING_SIZE),
            decoder_hidden_size=HIDDEN_SIZE,
            embedding_size=EMBEDDING_SIZE,
            vocab_size=module.vocab_size,
            target_vocab_size=module.target_vocab_size,
            max_source_length=module.max_source_length,
            max_features_length=module.max_features_length,
            max_target_length=module.max_target_length,
        )
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            check_val_every_n_epoch=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(model, module)
        with contextlib.redirect_stdout(io.StringIO()):
            return trainer.test(model, module, verbose=False)[0]["test_accuracy"]


TOOLS = {"seqtool": train_seqtool, "yoyodyne": train_yoyodyne}


def main() -> None:
    """Train what the arguments name, append each result to the JSON file, and print the mean of each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="the folder of the sets that are not generated")
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--set", action="append", default=[], help="changes an option of the recipe")
    parser.add_argument("--json", type=Path, required=True, help="results, one line for each training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as generated:
        for seed in options.seeds:
            for name in options.sets:
                pairs = _pairs(name, options.folder, Path(generated))
                for tool in options.tools:
                    job = {"tool": tool, "set": name, "split": options.split, "seed": seed, "epochs": options.epochs}
                    job["overrides"] = options.set if tool == "seqtool" else []
                    if all(result["job"] != job for result in _results(options.json)):
                        value = TOOLS[tool](pairs, options.split, seed, options.epochs, options.set)
                        with options.json.open("a", encoding="utf-8") as file:
                            print(json.dumps({"job": job, "exact_match": value}), file=file)
    _print_means(_results(options.json))


def _pairs(name: str, folder: Path | None, generated: Path) -> PairSet:
    if name in GENERATED:
        return generate(name, generated)
    if folder is None:
        raise SystemExit(f"{name} is not generated: name the folder that contains {name}_train.tsv")
    return PairSet(*(folder.absolute() / f"{name}_{split}.tsv" for split in ("train", "dev", "test")), " ")


def _results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _print_means(results: list[dict[str, Any]]) -> None:
    """One line for each set, split, tool and settings: the mean over seeds and their number."""
    groups: dict[tuple[str, ...], list[float]] = {}
    for result in results:
        job = result["job"]
        key = (job["set"], job["split"], f"{job['epochs']} epochs", job["tool"], " ".join(job["overrides"]))
        groups.setdefault(key, []).append(result["exact_match"])
    for key, values in sorted(groups.items()):
        print(*key, f"{statistics.mean(values):.3f}", f"({len(values)} seeds)", sep="  ")


if __name__ == "__main__":
    main()
