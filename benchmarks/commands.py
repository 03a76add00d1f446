"""Complete commands in separate processes, timed as a user sees them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.racing import AbsentError

PAIRS, HELD_OUT, EPOCHS, BATCH, HIDDEN = 800, 100, 10, 32, 256
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
)
ONES += "eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
RECIPE = """seqtool: 1
name: pairs
task: {{type: text_pairs, train: train.tsv, valid: valid.tsv}}
model:
  embedding: {{type: learned, embedding_size: 128}}
  encoder: {{type: rnn, bidirectional: true, cell: {{type: lstm, hidden_size: {hidden}}}}}
  decoder:
    type: attend_before
    cell: {{type: lstm, hidden_size: {hidden}}}
    attention: {{scorer: additive, normalizer: softmax}}
    bridge: zero
train:
  steps: {steps}
  batch_size: {batch}
  optimizer: {{type: adam, lr: 1e-3}}
  clip_norm: 1.0
  validate_every: {epoch}
"""


def seqtool(*words: str) -> Callable[[], None]:
    """`seqtool WORDS` in a separate process."""
    return _command([sys.executable, "-m", "seqtool", *words])


def seqtool_pairs() -> Callable[[], None]:
    """`seqtool run` on the pairs, including the run directory and its report."""
    folder = _folder()
    epoch = PAIRS // BATCH
    text = RECIPE.format(hidden=HIDDEN, steps=EPOCHS * epoch, epoch=epoch, batch=BATCH)
    (folder / "pairs.yaml").write_text(text, encoding="utf-8")
    return _command([sys.executable, "-m", "seqtool", "run", "pairs.yaml", "--quiet", "--out", "{new}"], folder)


def yoyodyne_pairs() -> Callable[[], None]:
    """`yoyodyne fit` on the same pairs: its attentive LSTM with the same sizes, optimizer and validation."""
    program = shutil.which("yoyodyne", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise AbsentError("yoyodyne is not installed")
    folder = _folder()
    (folder / "fit.yaml").write_text(
        f"""seed_everything: 0
trainer: {{max_epochs: {EPOCHS}, accelerator: cpu, gradient_clip_val: 1.0, enable_progress_bar: false, logger: false}}
checkpoint: {{filename: model, monitor: val_loss, mode: min}}
model:
  class_path: yoyodyne.models.SoftAttentionLSTMModel
  init_args:
    source_encoder:
      class_path: yoyodyne.models.modules.LSTMEncoder
      init_args: {{bidirectional: true, hidden_size: {HIDDEN}, dropout: 0.0}}
    decoder_hidden_size: {HIDDEN}
    decoder_dropout: 0.0
    embedding_size: 128
    compute_accuracy: true
    optimizer: {{class_path: torch.optim.Adam, init_args: {{lr: 0.001}}}}
data: {{train: train.tsv, val: valid.tsv, batch_size: {BATCH}, features_col: 0}}
""",
        encoding="utf-8",
    )
    given = ["--config", "fit.yaml", "--data.model_dir", "{new}", "--trainer.default_root_dir", "{new}"]
    return _command([program, "fit", *given], folder)


def spelled(number: int) -> str:
    """412 -> four hundred twelve."""
    ones, tens = ONES.split(), TENS.split()
    if number < 20:
        return ones[number]
    if number < 100:
        rest = f" {ones[number % 10]}" if number % 10 else ""
        return tens[number // 10 - 2] + rest
    rest = f" {spelled(number % 100)}" if number % 100 else ""
    return f"{ones[number // 100]} hundred{rest}"


def _folder() -> Path:
    """A folder with the pairs, removed when the process ends."""
    held = tempfile.TemporaryDirectory()
    _KEPT.append(held)
    order = [(17 * k) % (PAIRS + HELD_OUT) for k in range(PAIRS + HELD_OUT)]
    rows = [f"{spelled(number)}\t{number}\n" for number in order]
    for name, some in (("train", rows[:PAIRS]), ("valid", rows[PAIRS:])):
        (Path(held.name) / f"{name}.tsv").write_text("".join(some), encoding="utf-8")
    return Path(held.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _command(words: list[str], folder: Path | None = None) -> Callable[[], None]:
    """Runs a command. `{new}` in its words is replaced by the path of a new folder at each call."""

    def step() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            given = [word.format(new=Path(scratch) / "run") for word in words]
            done = subprocess.run(given, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(given)} exited {done.returncode}: {done.stderr[-2000:]}")

    return step
