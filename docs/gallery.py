"""The gallery, docs/gallery/README.md, from runs of recipes/comparisons: `python -m docs.gallery --runs FOLDER`.

Each recipe is trained into FOLDER/<its name>; a run that stands there already is gone on with, and one that is finished
is read. Figures and numbers come from the runs' files alone.
"""

import argparse
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import seqtool
from seqtool.analysis.alignments import Alignment, alignment_with_gate, draw_alignment, draw_gate, has_weights
from seqtool.runs import RunDirectory, SeedDirectory
from seqtool.runs.files import write_atomic
from seqtool.runs.read import Reader

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "recipes" / "comparisons"
FOLDER = ROOT / "docs" / "gallery"
NOTE = "<!-- written by `python -m docs.gallery` from runs: change that, not this -->"
DPI = 130
HEAD = """What attention adds to an RNN, in pictures of trained models. After the article "LSTM Attention
Mechanism", which compares it with a simple dense layer and with an LSTM's input gate, and builds it into an
RNN, an LSTM and an encoder-decoder. `python -m docs.gallery` trains all of it, in minutes on two idle cores,
and writes this page.

The task, but for the last: pick 10 symbols out of 30 mostly empty places, in order. Weights are drawn with what
is written downwards and the source to the right, the darker the more, a ring where the gold symbol stands.
*Token accuracy* is teacher-forced; *whole sequences* are those that the model, feeding itself, writes without a
fault, both over 512 validation examples. *Looks at gold*: how often the largest weight stands on the gold
symbol, over the 16 examples that a run keeps."""


@dataclass(frozen=True)
class Section:
    """A comparison: its recipe, what is said of it, and its pictures: name, what it shows, how it is drawn."""

    recipe: str
    title: str
    text: str
    pictures: tuple[tuple[str, str, Callable[[RunDirectory], Figure]], ...]


def trained(recipe: Path, place: Path, overrides: Sequence[str] = ()) -> RunDirectory:
    """The finished run of a recipe: begun, gone on with, or only read.

    Raises:
        SeqtoolError: what stands there is a run of another recipe.
    """
    if place.exists():
        seqtool.run(seqtool.load_recipe(recipe, overrides=overrides), resume=place)
    else:
        seqtool.run(recipe, out=place, overrides=overrides)
    return RunDirectory.open(place)


def seeds(run: RunDirectory) -> dict[str, SeedDirectory]:
    """The first seed of each variant."""
    plan = run.read_plan()
    return {variant: run.seed(variant, plan["seeds"][0]) for variant in plan["variants"]}


def sheet(columns: int, rows: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """A figure and its axes, `[rows, columns]`."""
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def draw_curves(axes: Axes, run: RunDirectory) -> None:
    """Training loss of each variant, on a scale on which a tenth is as far as ten times."""
    found = seeds(run)
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.8, len(found)))  # apart for colour-blind readers, too
    for i, (variant, place) in enumerate(found.items()):
        rows = place.read_metrics()
        steps, losses = ([float(row[name]) for row in rows] for name in ("step", "train_loss"))
        axes.plot(steps, losses, label=variant, linewidth=1.3, color=shades[i], linestyle=("-", "--", ":")[i % 3])
    axes.set_yscale("log")
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel("training loss (nats a symbol)", fontsize=8)
    axes.tick_params(which="both", labelsize=7)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def losses(run: RunDirectory) -> Figure:
    """The curves alone."""
    figure, axes = sheet(1, 1, (5.2, 3.0))
    draw_curves(axes[0, 0], run)
    return figure


def looks(run: RunDirectory, numbers: Iterable[int] = (0,)) -> list[Alignment]:
    """Where each variant that looks does so, in each of these examples."""
    first = {name: found[0] for name, found in Reader(run.path).read().variants.items()}
    numbers = list(numbers)
    return [
        replace(look, title=f"{look.title}, example {number + 1}" if len(set(numbers)) > 1 else look.title)
        for number in numbers
        for name, seed in first.items()
        if has_weights(seed, number) and (look := alignment_with_gate(name, seed, number))
    ]


def weights(columns: int, *numbers: int) -> Callable[[RunDirectory], Figure]:
    """Weights of all variants in these examples, by default the first, so many beside each other."""

    def draw(run: RunDirectory) -> Figure:
        found = looks(run, numbers or (0,))
        rows = -(-len(found) // columns)
        figure, axes = sheet(columns, rows, (4.4 * columns, 2.5 * rows))
        for place, look in zip(axes.flat, found, strict=False):
            draw_alignment(place, look)
        return figure

    return draw


def gate(run: RunDirectory) -> Figure:
    """The gate of each place above the weights of each step; the units that open widest on average come first."""
    (look,) = looks(run)
    order = np.argsort(-look.gate.mean(1), kind="stable")
    figure, axes = sheet(1, 2, (6.6, 5.0), height_ratios=(1.2, 1.0))
    draw_gate(
        axes[0, 0], replace(look, gate=look.gate[order], gate_title="input gate of the encoder: dark where it is open")
    )
    axes[0, 0].set_xticks(range(len(look.source)), look.source)
    draw_alignment(axes[1, 0], replace(look, title="attention of the decoder"))
    return figure


def looks_at_gold(place: SeedDirectory) -> float | None:
    """How often the largest weight of what was written stands on the gold place; None without attention."""
    with np.load(place.alignments) as arrays:
        if "weights" not in arrays:
            return None
        largest, gold = arrays["weights"].mean(1).argmax(-1), arrays["gold"]
    steps = min(largest.shape[1], gold.shape[1])
    hits = [
        largest[i, t] == gold[i, t]
        for i, example in enumerate(place.read_predictions())
        for t in range(min(steps, len(example["predicted"])))
        if gold[i, t] >= 0
    ]
    return float(np.mean(hits))


def numbers(run: RunDirectory) -> str:
    """The table of a comparison."""
    lines = [
        "| variant | parameters | loss | token accuracy | whole sequences | looks at gold |",
        "|---|---|---|---|---|---|",
    ]
    for variant, place in seeds(run).items():
        result, gold = place.read_result(), looks_at_gold(place)
        figures = [f"{result['parameters']:,}", f"{result['train_loss']:.4f}"]
        figures += [f"{result[name]:.4f}" for name in ("token_accuracy", "sequence_accuracy")]
        lines.append(f"| {variant} | {' | '.join(figures)} | {'' if gold is None else f'{gold:.3f}'} |")
    return "\n".join(lines)


def origin(section: Section, run: RunDirectory) -> str:
    """A line of the table of runs."""
    plan, git = run.read_plan(), run.read_plan()["git"]
    commit = "not known" if git is None else f"`{git['commit'][:12]}`{' and changes' * git['changed']}"
    took = sum(place.read_result()["seconds"] for place in seeds(run).values())
    link = f"[{section.recipe}](../../recipes/comparisons/{section.recipe}.yaml)"
    version = plan["versions"]["torch"]
    return f"| {link} | {', '.join(map(str, plan['seeds']))} | {plan['created']} | {commit} | {version} | {took:.0f} |"


SECTIONS = (
    Section(
        "dense_and_attention",
        "A simple dense layer and attention",
        """Both weight the same memory, what a bidirectional LSTM read. The dense layer has one learnt number a
place, `c = sum_j softmax(b)_j h_j`; attention asks with the decoder's state,
`c_i = sum_j softmax_j(e(s_{i-1}, h_j)) h_j`.

To see: the dense layer's rows are all alike, and alike in both examples, since it knows neither what is being
predicted nor what is in the source. Attention's move on with each symbol that is written, to other places in
another source. The dense layer still gets most symbols right, because ten of them fit into the states of
encoder and decoder; of twenty they no longer do ([library.md](../library.md#parts-that-do-not-solve-the-task)).""",
        (
            ("dense_weights", "weights of attention and of a dense layer in two examples", weights(2, 0, 1)),
            ("dense_losses", "their training loss", losses),
        ),
    ),
    Section(
        "gate_and_attention",
        "An LSTM's input gate and attention",
        """The gate `i_t = sigma(W x_t + U h_{t-1} + b)` does look at the state, and at the present input, but only
at that: it decides at each place, once, in reading order, what may enter. Attention has the whole sequence
before it at every step.

To see: above, a column for each place that the encoder reads, a line for each of its 32 units. The gate changes
where a symbol comes and drifts with the state, and what it decided at a place is never looked at again. Below,
each row weighs all the places anew, for the symbol that is written next.""",
        (("gate", "the encoder's input gate above the decoder's attention, one example", gate),),
    ),
    Section(
        "rnn_attention",
        "Attention for an RNN",
        """Over the source itself, with no encoder: weights from the last state, `a_t = softmax(e(h_{t-1}, x))`,
the context `c_t = sum_j a_tj x_j`, the step `h_t = tanh(W c_t + U h_{t-1} + b)`, the symbol before beside the
context or left out. Bare symbols look the same wherever they stand, so e must know places: a window of
Gaussians that moves along (`gmm`).

To see: one plain RNN, with fewer than two thousand numbers to learn, walks along the source. Empty places give
nothing, so a window that covers a few of them still sees one symbol; where several stand close together it sees
them at once, and that is where most of its mistakes are.""",
        (
            ("rnn_weights", "weights of both variants, one example", weights(2)),
            ("rnn_losses", "their training loss", losses),
        ),
    ),
    Section(
        "lstm_attention",
        "Attention for an LSTM",
        """An LSTM has two states to ask with, h and c, or both; and the context may stand beside the input of its
gates or in its place.

To see: all six solve the task, whatever asks. A low figure in the last column is no failure: such a model looks
one symbol ahead, at a place where the encoder, which reads both ways, has also noted what came before. Forced
to look at the gold places it gets hardly anything right: a heatmap beside the gold path is not wrong, and one
along it proves nothing by itself ([interventions.md](../interventions.md#what-was-measured)).""",
        (
            ("lstm_weights", "weights of the six variants, one example", weights(3)),
            ("lstm_losses", "their training loss", losses),
        ),
    ),
    Section(
        "translation",
        "The encoder-decoder",
        """As it was made for translation (Bahdanau 2015), part by part: embeddings, a bidirectional GRU, additive
attention before each step, a decoder that opens with the encoder's final state, a deep output. Here it writes 4
to 12 symbols backwards and says when it is done, so that the order is not the source's. Beside it the same
without attention, which has the final state only.

To see: the path runs from the end to the beginning, two places wide: a bidirectional encoder tells at each
place of its neighbours, too. Both losses fall; the one without attention stays far above, the vector between
encoder and decoder being too small to hold every long source.""",
        (
            ("translation_weights", "weights in two examples", weights(2, 0, 1)),
            ("translation_losses", "training loss with and without attention", losses),
        ),
    ),
)


def build(runs: Path, folder: Path = FOLDER, overrides: Sequence[str] = ()) -> None:
    """Train what is missing below `runs`, then write the page and its pictures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    blocks, origins = [NOTE, "# Gallery", HEAD], []
    for section in SECTIONS:
        run = trained(RECIPES / f"{section.recipe}.yaml", runs / section.recipe, overrides)
        blocks += [f"## {section.title}", section.text]
        for name, shows, draw in section.pictures:
            picture = io.BytesIO()
            draw(run).savefig(picture, format="png")
            write_atomic(folder / f"{name}.png", picture.getvalue())
            blocks.append(f"![{section.title}: {shows}]({name}.png)")
        blocks.append(numbers(run))
        origins.append(origin(section, run))
    heading = "| recipe | seed | begun | commit | torch | seconds of training |\n|---|---|---|---|---|---|\n"
    blocks += ["## The runs", heading + "\n".join(origins)]
    write_atomic(folder / "README.md", ("\n\n".join(blocks) + "\n").encode())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m docs.gallery", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/gallery"), help="where its runs are, or will be")
    build(parser.parse_args().runs)
    print(f"{FOLDER / 'README.md'}")


if __name__ == "__main__":
    main()
