"""A trained run, measured under interventions."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

import seqtool
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.inference.estimates import differences, estimates
from seqtool.inference.intervene import INTERVENTIONS, InterventionEffects
from seqtool.inference.scores import SymbolScores
from seqtool.parts.batch import Batch
from seqtool.statistics.bootstrap import RESAMPLES

Command = Callable[..., CompletedProcess[str]]
ROWS = ["own", "gold", "uniform", "shuffled", "previous", "delayed_3", "top_1", "head_off_0", "head_off_1"]


def value(found: InterventionEffects, name: str, mode: str, measure: str = "token_accuracy") -> float:
    return found.measured[name][mode][measure].value.value


def test_the_unchanged_model_equals_evaluate(moved: Path) -> None:
    loaded = seqtool.load(moved)
    for search in (None, {"type": "beam", "size": 2}):
        found = loaded.intervene(search=search, examples=20)
        overall = loaded.evaluate(search=search, batches=1).overall
        assert list(found.measured) == ROWS
        assert (found.examples, found.tokens, found.left_out) == (overall.examples, overall.tokens, {})
        for measure in ("token_accuracy", "exact_match"):
            own = found.measured["own"]["free_running"][measure]
            assert own.value == overall.measures[measure]
            assert (own.change.value, own.change.low, own.change.high) == (0, 0, 0)


def test_a_reversing_model_depends_on_its_attention(moved: Path) -> None:
    """A model that reverses words is correct with gold attention, and worse with any other intervention."""
    found = seqtool.load(moved).intervene()
    for mode in ("teacher_forced", "free_running"):
        own = value(found, "own", mode)
        assert value(found, "gold", mode) > own - 0.1
        for name in ("uniform", "shuffled", "previous", "delayed_3"):
            effect = found.measured[name][mode]["token_accuracy"]
            assert effect.change.value == pytest.approx(effect.value.value - own)
            assert effect.change.low <= effect.change.value <= effect.change.high < -0.1


def test_teacher_forced_measures_equal_a_plain_loop(moved: Path) -> None:
    loaded = seqtool.load(moved)
    task = loaded.task_with_data()
    found = loaded.intervene(examples=20)
    batch = task.batch("valid", 0, seed=0, rank=0, batch_size=20, device=loaded.device)
    best = loaded.model(batch)[0].argmax(-1)
    right = exact = tokens = 0
    for row in range(20):
        hits = [
            int(best[row, step]) == int(batch.target[row, step]) for step in range(int(batch.target_mask[row].sum()))
        ]
        right, exact, tokens = right + sum(hits), exact + all(hits), tokens + len(hits)
    assert (found.examples, found.tokens) == (20, tokens)
    assert value(found, "own", "teacher_forced") == pytest.approx(right / tokens)
    assert value(found, "own", "teacher_forced", "exact_match") == pytest.approx(exact / 20)


def test_options_select_interventions_and_results_are_reproducible(moved: Path) -> None:
    loaded = seqtool.load(moved)
    found = loaded.intervene(only=["delayed", "shuffled"], delay=0, examples=33)
    assert list(found.measured) == ["own", "shuffled", "delayed_0"]
    assert found.examples == 33
    assert found.measured["delayed_0"] == found.measured["own"], "a delay of zero"
    assert found == loaded.intervene(only=["delayed", "shuffled"], delay=0, examples=33)
    assert (
        loaded.intervene(only=["delayed"], delay=1).measured["delayed_1"]
        == loaded.intervene(only="previous").measured["previous"]
    )
    other = loaded.intervene(only=["shuffled"], shuffle_seed=1, examples=33)
    assert other.measured["own"] == found.measured["own"]
    assert other.measured["shuffled"] != found.measured["shuffled"]
    assert loaded.model.decoder.attention.intervention is None


def test_a_change_is_resampled_in_pairs() -> None:
    """If both are correct for the same examples, the interval of the change is narrower than either interval."""
    generator = np.random.default_rng(0)
    base_right = generator.integers(2, size=80)
    right = base_right.copy()
    right[:8] = 1 - right[:8]
    ones = np.ones(80, dtype=int)
    base, scores = (SymbolScores(ones, ones, one, one, 1 - one, np.zeros((80, 0))) for one in (base_right, right))
    drawn, wanted = np.random.default_rng(4), []
    for _ in range(RESAMPLES):
        chosen = drawn.integers(80, size=80)
        wanted.append(sum(int(right[i]) - int(base_right[i]) for i in chosen) / 80)
    wanted.sort()
    found = differences(scores, base, 4)["exact_match"]
    assert found.value == pytest.approx((right.sum() - base_right.sum()) / 80)
    assert wanted[24] - 1e-9 <= found.low <= wanted[25] + 1e-9
    assert wanted[974] - 1e-9 <= found.high <= wanted[975] + 1e-9
    own = estimates(scores, 4)["exact_match"]
    assert found.high - found.low < own.high - own.low
    assert differences(scores, scores, 4)["exact_match"].high == 0


def test_invalid_arguments_of_intervene(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = seqtool.load(moved)
    with pytest.raises(MisuseError, match=r"no such intervention: 'unifrom'\n.*did you mean 'uniform'"):
        loaded.intervene(only=["unifrom"])
    with pytest.raises(MisuseError, match="delay must be at least 0 steps; got -1"):
        loaded.intervene(delay=-1)
    for wrong in ({"examples": 0}, {"batch_size": 0}, {"max_length": -1}):
        with pytest.raises(MisuseError, match="must be at least 1"):
            loaded.intervene(**wrong)
    with pytest.raises(MisuseError, match="did you mean 'valid'"):
        loaded.intervene("vaild")
    batch = type(loaded.task).batch

    def without_gold(*arguments: object, **options: object) -> Batch:
        made = batch(*arguments, **options)
        return Batch(made.source, made.source_mask, made.target, made.target_mask, made.alignment * 0 - 1)

    monkeypatch.setattr(type(loaded.task), "batch", without_gold)
    with pytest.raises(SeqtoolError, match=r"^gold: this task has no gold alignment$"):
        loaded.intervene(only=["gold"])
    found = loaded.intervene(examples=20)
    assert found.left_out == {"gold": "this task has no gold alignment"}
    assert [*found.measured] == [name for name in ROWS if name != "gold"]
    monkeypatch.setattr(type(loaded.task), "num_batches", lambda self, split, size: 0)
    with pytest.raises(SeqtoolError, match="the split 'test' has no examples"):
        loaded.intervene("test")


def test_models_without_attention_and_with_a_shortened_memory(small: Path, tmp_path: Path) -> None:
    quick = ["train.steps=1", "train.validation_batches=1"]
    plain = "model.decoder={type: plain, cell: {type: gru, hidden_size: 8}, bridge: linear}"
    seqtool.run(small, out=tmp_path / "plain", overrides=[*quick, plain])
    with pytest.raises(SeqtoolError, match="no attention, so there are no attention weights to replace"):
        seqtool.load(tmp_path / "plain").intervene()
    pyramid = "model.encoder={type: pyramid, cell: {type: lstm, hidden_size: 8}, halvings: 1}"
    seqtool.run(small, out=tmp_path / "pyramid", overrides=[*quick, pyramid, "model.decoder.bridge=zero"])
    loaded = seqtool.load(tmp_path / "pyramid")
    assert "the gold alignment refers to source symbols" in loaded.intervene().left_out["gold"]
    with pytest.raises(SeqtoolError, match=r"^gold: the encoder returns \d memory positions for 9 source symbols"):
        loaded.intervene(only=["gold"])


ADDS = """\
seqtool: 1
name: adds
task: {type: adding, length: 12}
model:
  embedding: continuous
  encoder: {type: feed_forward, hidden_size: 12}
  decoder: {type: attend_only, attention: {scorer: feed_forward}}
train: {steps: 60, batch_size: 32, optimizer: {type: adam, lr: 1e-2}, validation_batches: 1, validation_batch_size: 30}
"""


def test_continuous_targets_are_measured_by_their_errors(tmp_path: Path, command: Command) -> None:
    recipe = tmp_path / "adds.yaml"
    recipe.write_text(ADDS)
    seqtool.run(recipe, out=tmp_path / "run", device="cpu")
    loaded = seqtool.load(tmp_path / "run")
    found = loaded.intervene(only=["uniform"])
    overall = loaded.evaluate().overall.measures
    own = found.measured["own"]["free_running"]
    assert {name: effect.value for name, effect in own.items()} == overall
    assert found.measured["own"]["teacher_forced"].keys() == overall.keys()
    batch = loaded.task.batch("valid", 0, seed=0, rank=0, batch_size=30, device=loaded.device)
    error = 0.0
    for row in range(30):  # the readout of the mean memory vector
        vectors = loaded.model.source_embedding(batch.source[row : row + 1, : int(batch.source_mask[row].sum())])
        memory = loaded.model.encoder(vectors, vectors[..., 0] == vectors[..., 0]).memory[0]
        written = loaded.model.decoder.readout_layer(memory.mean(0))
        error += float((written - batch.target[row, 0]).detach().abs()) / 30
    effect = found.measured["uniform"]["free_running"]["mean_absolute_error"]
    assert effect.value.value == pytest.approx(error, rel=1e-4)
    assert effect.change.value == pytest.approx(error - overall["mean_absolute_error"].value, rel=1e-3)
    done = command("intervene", tmp_path / "run", "--only", "uniform")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mean absolute error" in done.stdout.splitlines()[1]


def test_intervene_from_the_command_line(moved: Path, tmp_path: Path, command: Command) -> None:
    run = tmp_path / "run"
    shutil.copytree(moved, run)
    done = command("intervene", run, "--examples", "40", "--only", "gold", "--only", "delayed", "--delay", "2")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "teacher forcing"
    assert [line.split()[0] for line in lines[2:5]] == ["own", "gold", "delayed_2"]
    assert lines[6] == "free-running, search:greedy"
    assert lines[-1].startswith("default, seed 3, best checkpoint, step ")
    assert "40 examples of valid" in lines[-1]
    kept = run / "default/seed3/interventions.json"
    assert not kept.exists(), "only on request"
    done = command("intervene", run, "--examples", "40", "--split", "test", "--save", "--json")
    content = json.loads(done.stdout)
    assert content == json.loads(kept.read_text())
    assert (content["format"], content["split"], content["seed"], content["examples"]) == (1, "test", 3, 40)
    assert list(content["measured"]) == ROWS
    found = seqtool.load(run).intervene("test", examples=40).plain()
    assert content["measured"] == found["measured"]
    assert content["bootstrap"] == {"resamples": 1000, "confidence": 0.95, "seed": 0}
    done = command("intervene", run, "--only", "golden")
    assert done.returncode == 2
    assert "did you mean 'gold'" in done.stderr
    assert all(name in done.stderr for name in INTERVENTIONS)


def test_python_in_docs_works(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parent.parent.parent / "docs/interventions.md").read_text()
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)).replace('"my_run"', repr(str(moved)))
    names: dict[str, Any] = {}
    exec(compile(code, "interventions.md", "exec"), names)
    assert names["found"].examples == 200
    said = capsys.readouterr().out.splitlines()
    assert said[0].count("Estimate(") == 2
    one = names["model"].predict(["b a d c"])[0].weights
    with names["intervened"](names["model"].model.decoder, names["Backwards"]()):
        other = names["model"].predict(["b a d c"])[0].weights
    assert np.allclose(one[:, 0, ::-1], other[:, 0], atol=1e-5), "the first weights, before contexts differ"
