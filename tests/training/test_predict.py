"""Loading a moved run and predicting from Python."""

import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import seqtool
from seqtool.errors import MisuseError, RecipeError, SeqtoolError
from seqtool.inference.predictor import Predictor
from seqtool.parts.task import Task

WORDS = ["a b c", "d d a b", "b", "c a d b a c", "a a a"]
SHORT = ("train.steps=2", "train.validation_batches=1")
BEAM = {"type": "beam", "size": 4, "best": 3}


@pytest.fixture
def predictor(moved: Path) -> Predictor:
    return seqtool.load(moved)


def test_a_moved_run_predicts(predictor: Predictor) -> None:
    found = predictor.predict(["a b c", "c a d"])
    assert [one.source for one in found] == ["a b c", "c a d"]
    assert [one.text for one in found] == ["c b a", "d a c"]
    assert found[0].symbols == ("c", "b", "a", "</s>")
    assert found[0].source_symbols == ("a", "b", "c")


def test_weights_contain_only_real_positions(predictor: Predictor) -> None:
    for one in predictor.predict(WORDS, search=BEAM):
        for hypothesis in one.hypotheses:
            assert hypothesis.weights.shape == (2, len(hypothesis.symbols), len(one.source_symbols))
            assert np.allclose(hypothesis.weights.sum(2), 1, atol=1e-5)


def test_a_prediction_does_not_depend_on_its_batch(predictor: Predictor) -> None:
    together = predictor.predict(WORDS, search=BEAM)
    for size in (1, 2):
        for one, other in zip(together, predictor.predict(WORDS, search=BEAM, batch_size=size), strict=True):
            assert [h.text for h in one.hypotheses] == [h.text for h in other.hypotheses]
            assert [h.score for h in one.hypotheses] == pytest.approx([h.score for h in other.hypotheses], abs=1e-4)
            assert np.allclose(one.weights, other.weights, atol=1e-4)


def test_scores_equal_those_of_feeding_the_symbols_to_the_model(predictor: Predictor) -> None:
    (found,) = predictor.predict(["c a d b"])
    source = torch.tensor([["abcd".index(symbol) for symbol in "cadb"]])
    model, vocabulary = predictor.model, predictor.task.target_vocabulary
    last, score, symbols = torch.tensor([vocabulary.start]), 0.0, []
    with torch.no_grad():
        fixed, state = model.start(source, torch.ones_like(source, dtype=torch.bool))
        while not symbols or symbols[-1] != "</s>":
            logits, weights, state = model.step(last, fixed, state)
            score += float(logits.log_softmax(-1).max())
            last = logits.argmax(-1)
            assert np.allclose(found.weights[:, len(symbols)], weights[0], atol=1e-5)
            symbols.append(vocabulary.symbols[int(last)])
    assert found.symbols == tuple(symbols)
    assert found.score == pytest.approx(score, abs=1e-4)


def test_hypotheses_are_sorted_by_score(predictor: Predictor) -> None:
    for one in predictor.predict(WORDS, search=BEAM):
        scores = [hypothesis.score for hypothesis in one.hypotheses]
        assert len({hypothesis.symbols for hypothesis in one.hypotheses}) == 3
        assert scores == sorted(scores, reverse=True)
        assert (one.text, one.score) == (one.hypotheses[0].text, scores[0])
    drawn = predictor.predict(WORDS[:2], search={"type": "sample", "samples": 4, "seed": 1})
    assert [len(one.hypotheses) for one in drawn] == [4, 4]


def test_number_of_hypotheses_of_any_search(predictor: Predictor) -> None:
    assert len(predictor.predict(["a b"], search=predictor.build_search("beam", 4))[0].hypotheses) == 4
    assert len(predictor.predict(["a b"], search=predictor.build_search("sample", 2))[0].hypotheses) == 2
    assert len(predictor.predict(["a b"], search=predictor.build_search(None, 1))[0].hypotheses) == 1
    with pytest.raises(MisuseError, match=r"'search:greedy' returns one hypothesis(.|\n)*beam, size: 3"):
        predictor.build_search(None, 3)
    with pytest.raises(RecipeError, match="a beam of 4 holds no 5"):
        predictor.build_search("beam", 5)


def test_max_length_cuts(predictor: Predictor) -> None:
    (found,) = predictor.predict(["a b c d"], max_length=2)
    assert len(found.symbols) == 2


def test_no_sources_give_no_predictions(predictor: Predictor) -> None:
    assert predictor.predict([]) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [("a x", "no 'x'"), ("", "no symbol"), (" \t ", "no symbol"), ("abc", "no 'abc'")],
)
def test_unreadable_sources_are_refused(predictor: Predictor, source: str, words: str) -> None:
    with pytest.raises(SeqtoolError, match=words):
        predictor.predict(["a b", source])


def test_invalid_arguments_of_predict(predictor: Predictor) -> None:
    with pytest.raises(MisuseError, match="a list of sources"):
        predictor.predict("a b c")
    with pytest.raises(MisuseError, match="source 2 is None, not a string"):
        predictor.predict(["a b", None])  # type: ignore[list-item]
    with pytest.raises(MisuseError, match="batch_size"):
        predictor.predict(["a"], batch_size=0)
    with pytest.raises(MisuseError, match="max_length"):
        predictor.predict(["a"], max_length=0)
    with pytest.raises(RecipeError, match="size"):
        predictor.predict(["a"], search={"type": "beam", "size": 0})


def test_a_task_without_text_input_is_reported(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def mute(self: Task, text: str) -> tuple[int, ...]:
        raise NotImplementedError

    monkeypatch.setattr(type(predictor.task), "encode_source", mute)
    with pytest.raises(SeqtoolError, match="'tasks:reverse' cannot encode a source from text"):
        predictor.predict(["a b"])


def test_both_checkpoints_can_be_loaded(moved: Path) -> None:
    assert seqtool.load(moved, "default", 3, "last", "cpu").step == 120
    best = seqtool.load(moved, checkpoint="best")
    assert best.step in (60, 120)
    assert not best.model.training


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"variant": "defalt"}, MisuseError, "did you mean 'default'"),
        ({"seed": 0}, MisuseError, "no such seed of .*: '0'\n    allowed: 3"),
        ({"checkpoint": "bst"}, MisuseError, "did you mean 'best'"),
        ({"device": "cudaa"}, MisuseError, "did you mean 'cuda'"),
        ({"device": "cpu:x"}, MisuseError, "no such device"),
        ({"device": "cuda:99"}, SeqtoolError, "CUDA device 99 was asked for"),
    ],
)
def test_invalid_arguments_of_load(
    moved: Path, arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        seqtool.load(moved, **arguments)


def test_a_folder_that_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(SeqtoolError, match=r"is not a run: it has no run\.json"):
        seqtool.load(tmp_path)
    with pytest.raises(SeqtoolError, match="is not a run: there is no such folder"):
        seqtool.load(tmp_path / "nowhere")


def test_a_run_without_a_checkpoint(moved: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(moved, tmp_path / "run"))
    (run / "default/seed3/best.ckpt").unlink()
    with pytest.raises(SeqtoolError, match=r"no best checkpoint yet: best\.ckpt\n    allowed: the checkpoint 'last'"):
        seqtool.load(run)
    seqtool.load(run, checkpoint="last")
    shutil.rmtree(run / "default/seed3")
    with pytest.raises(SeqtoolError, match=r"no last checkpoint yet: last\.ckpt$"):
        seqtool.load(run, checkpoint="last")


def test_the_text_of_a_predictor_is_short(moved: Path) -> None:
    assert repr(seqtool.load(moved)).startswith("Predictor(name='default', checkpoint='best', step=")
    assert len(repr(seqtool.load(moved))) < 120


class Evil:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return (exec, ("raise SystemExit('the checkpoint ran code')",))


def test_a_checkpoint_cannot_run_code(moved: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(moved, tmp_path / "run"))
    place = run / "default/seed3/best.ckpt"
    whole = place.read_bytes()
    for content in (b"nothing of the kind", b"", whole[:1000]):
        place.write_bytes(content)
        with pytest.raises(SeqtoolError, match=r"cannot read the checkpoint .*: it is damaged, or not a checkpoint$"):
            seqtool.load(run)
    place.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(SeqtoolError, match=r"it contains (\w+\.)?exec, and a checkpoint contains only tensors"):
        seqtool.load(run)
    torch.save({"state_dict": Evil()}, place)
    with pytest.raises(SeqtoolError, match=r"it contains (\w+\.)?exec, and a checkpoint contains only tensors"):
        seqtool.load(run)
    torch.save(torch.zeros(2), place)
    with pytest.raises(SeqtoolError, match=r"it was not written by seqtool$"):
        seqtool.load(run)


def test_a_checkpoint_of_another_recipe_is_refused(moved: Path, small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "other", overrides=SHORT, seeds=[3])
    run = Path(shutil.copytree(moved, tmp_path / "run"))
    shutil.copy(tmp_path / "other/default/seed3/last.ckpt", run / "default/seed3/last.ckpt")
    with pytest.raises(SeqtoolError, match="another recipe or seed than"):
        seqtool.load(run, checkpoint="last")


def test_one_of_several_variants_and_no_attention(small: Path, tmp_path: Path) -> None:
    small.write_text(
        small.read_text() + "variants:\n"
        "  sees: {}\n"
        "  blind: {model: {decoder: {type: plain, cell: {type: gru, hidden_size: 8}, bridge: linear}}}\n"
    )
    seqtool.run(small, out=tmp_path / "run", overrides=SHORT)
    with pytest.raises(MisuseError, match="2 variants: specify one\n    allowed: sees, blind"):
        seqtool.load(tmp_path / "run")
    (found,) = seqtool.load(tmp_path / "run", "blind").predict(["a b c"])
    assert found.weights is None


def test_a_memory_shorter_than_the_source(small: Path, tmp_path: Path) -> None:
    pyramid = "model.encoder={type: pyramid, halvings: 1, cell: {type: gru, hidden_size: 8}}"
    seqtool.run(small, out=tmp_path / "run", overrides=[*SHORT, pyramid, "train.precision=64-true"])
    loaded = seqtool.load(tmp_path / "run")
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float64}
    found = loaded.predict(["a b c a b", "a b"], max_length=3)
    assert [one.weights.shape for one in found] == [(1, 3, 3), (1, 3, 1)]


def test_predicting_imports_no_lightning(moved: Path) -> None:
    code = (
        "import sys, seqtool; seqtool.load(sys.argv[1]).predict(['a b']); "
        "print([n for n in ('pytorch_lightning', 'matplotlib', 'torchmetrics') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, moved], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_python_in_docs_works(
    moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_run").symlink_to(moved)
    monkeypatch.chdir(tmp_path)
    document = (Path(__file__).parents[2] / "docs/predict.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    exec(compile(code, "predict.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a b c c b a -")
    assert lines[0].endswith(" (2, 4, 3)")
    assert lines[-1].startswith("Estimate(value=")
