"""A run predicts after its file of pairs was removed."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from small_run import REVERSES

import seqtool
from seqtool.errors import MisuseError, RecipeError, SeqtoolError
from seqtool.recipe.dump import dump
from seqtool.registry import Registry, discover
from seqtool.runs.checkpoint import _digest

PLUGIN = '''
from pathlib import Path
from seqtool.api import Component, DataPath, Examples, ExampleTask, PartError, Ragged, Vocabulary, hookimpl

SEQTOOL_API = (1, 0)


class Pairs(ExampleTask):
    """Pairs of words, a space between them.

    Args:
        path: a line a pair.
    """

    ending = "eos"

    def __init__(self, *, path: DataPath) -> None:
        self.path = path

    def prepare(self, saved=None) -> None:
        if saved is None:
            if not Path(self.path).exists():
                raise PartError(f"there is no {self.path}", option="path")
            pairs = [line.split() for line in Path(self.path).read_text().splitlines()]
            letters = "".join(sorted({letter for pair in pairs for word in pair for letter in word}))
            examples = Examples(*(Ragged.of([letters.index(c) for c in word] for word in side) for side in zip(*pairs)))
            self.examples = dict.fromkeys(("train", "valid", "test"), examples)
            saved = {"letters": letters, "longest": examples.target.longest() + 1}
        self.saved, letters = dict(saved), saved["letters"]
        self.max_target_length = saved["longest"]
        self.source_vocabulary = Vocabulary(tuple(letters))
        self.target_vocabulary = Vocabulary((*letters, "</s>", "<s>"), end=len(letters), start=len(letters) + 1)

    def state(self):
        return self.saved

    def encode_source(self, text):
        return super().encode_source(" ".join(text))

    def decode_target(self, ids):
        return super().decode_target(ids).replace(" ", "")


@hookimpl
def seqtool_components():
    yield Component("task", "pairs", Pairs)
'''


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "pairs_plugin.py").write_text(PLUGIN)
    return discover(plugins_dirs=[str(folder)])


def _resumes_where_its_data_lie(run: Path, registry: Registry, data: Path) -> None:
    (result,) = run.glob("default/seed*/result.json")
    before = {key: value for key, value in json.loads(result.read_text()).items() if "second" not in key}
    result.unlink()
    with pytest.raises(RecipeError, match="allowed: --data path=FILE if the file was moved"):
        seqtool.run(resume=run, registry=registry)
    seqtool.run(resume=run, registry=registry, data={"path": str(data)})
    assert {key: value for key, value in json.loads(result.read_text()).items() if "second" not in key} == before


def test_a_run_predicts_without_its_data(tmp_path: Path, registry: Registry) -> None:
    data, recipe = tmp_path / "pairs.txt", tmp_path / "pairs.yaml"
    data.write_text("".join(f"{word} {word[::-1]}\n" for word in ("ab", "abc", "cab", "bca", "éa")))
    task = "task: {type: reverse, length: 6, min_length: 3, symbols: 4, ending: eos}"
    recipe.write_text(REVERSES.replace(task, f"task: {{type: pairs, path: {data}}}"))
    seqtool.run(recipe, out=tmp_path / "run", registry=registry, overrides=["train.validation_batch_size=2"])
    shutil.move(tmp_path / "run", tmp_path / "kept")
    loaded = seqtool.load(tmp_path / "kept", registry=registry)
    found = loaded.evaluate("test")
    assert (found.batches, found.overall.examples) == (3, 5)
    assert loaded.evaluate("test", batches=99) == found
    assert loaded.evaluate("test", batches=2).overall.examples == 4
    other = tmp_path / "other.txt"
    data.rename(other)
    with pytest.raises(
        RecipeError, match=r"there is no .*pairs\.txt\n.*\n *\^\n    allowed: --data path=FILE if the file was moved"
    ):
        loaded.evaluate("test")
    assert seqtool.load(tmp_path / "kept", registry=registry, data={"path": str(other)}).evaluate("test") == found
    _resumes_where_its_data_lie(tmp_path / "kept", registry, other)
    with pytest.raises(MisuseError, match=r"reads no file given by 'paht'\n    did you mean 'path'\?"):
        seqtool.load(tmp_path / "kept", registry=registry, data={"paht": str(other)})
    with pytest.raises(MisuseError, match="--data requires --resume"):
        seqtool.run(recipe, registry=registry, data={"path": str(other)})
    before = [one.text for one in loaded.predict(["abc", "cab", "éa"])]
    assert before == ["cba", "bac", "aé"]
    data.write_text("xy yx\n")
    for run in (loaded, seqtool.load(tmp_path / "kept", registry=registry, data={"path": str(data)})):
        with pytest.raises(SeqtoolError, match="the data of this run's task have changed"):
            run.evaluate("test")
    with pytest.raises(SeqtoolError, match="the data of default's task have changed"):
        seqtool.run(resume=tmp_path / "kept", registry=registry, data={"path": str(data)})
    data.unlink()
    recipe.unlink()
    loaded = seqtool.load(tmp_path / "kept", registry=registry)
    assert [one.text for one in loaded.predict(["abc", "cab", "éa"])] == before
    with pytest.raises(SeqtoolError, match="has no 'x'"):
        loaded.predict(["abx"])
    with pytest.raises(SeqtoolError, match=r"there is no .*pairs\.txt"):
        loaded.evaluate("test")
    with pytest.raises(SeqtoolError, match=rf"the run was made with other plugins: --plugins-dir {tmp_path}/plugins"):
        seqtool.load(tmp_path / "kept")


def test_text_pairs_with_features_predict_without_their_file(tmp_path: Path) -> None:
    registry = discover(modules=["seqtool_text"])
    data, recipe = tmp_path / "verbs.tsv", tmp_path / "verbs.yaml"
    verbs = [stem + end for stem in ("walk", "talk", "jump", "look") for end in ("", "y", "en", "le", "er")]
    data.write_text(
        "".join(f"{verb}\tV;{tag}\t{verb}{end}\n" for verb in verbs for tag, end in (("PST", "ed"), ("3", "s")))
    )
    task = "task: {type: reverse, length: 6, min_length: 3, symbols: 4, ending: eos}"
    pairs = "task: {type: text_pairs, train: verbs.tsv, target_column: 3, feature_columns: [2]}"
    recipe.write_text(REVERSES.replace(task, pairs))
    seqtool.run(recipe, out=tmp_path / "run", registry=registry, overrides=["train.steps=4", "train.validate_every=2"])
    moved = shutil.move(tmp_path / "run", tmp_path / "kept")
    loaded = seqtool.load(moved, registry=registry)
    before = loaded.predict(["walk\tV;PST", "jumper\tV;3"])
    assert before[0].source_symbols == ("+V", "+PST", *"walk")
    assert loaded.evaluate("test").overall.examples == len(loaded.task_with_data().examples["test"])
    data.write_text(data.read_text() + "qi\tV;PST\tqied\n" * 3)
    with pytest.raises(SeqtoolError, match="the data of this run's task have changed"):
        loaded.evaluate("test")
    data.unlink()
    after = seqtool.load(moved, registry=registry).predict(["walk\tV;PST", "jumper\tV;3"])
    assert [(one.text, one.score) for one in after] == [(one.text, one.score) for one in before]
    with pytest.raises(SeqtoolError, match="2 texts separated by tabs; got 1"):
        loaded.predict(["walk"])


def test_a_run_older_than_an_option_is_loaded_and_resumed(tmp_path: Path) -> None:
    (tmp_path / "reverses.yaml").write_text(REVERSES.replace("steps: 120", "steps: 5"))
    run = tmp_path / "run"
    seqtool.run(tmp_path / "reverses.yaml", out=run)
    resolved, checkpoint = run / "default/resolved.yaml", run / "default/seed3/last.ckpt"
    (variant,) = seqtool.load_recipe(resolved).variants.values()
    older = json.loads(json.dumps(variant.data))
    del older["train"]["gates"], older["model"]["decoder"]["cell"]["initialization"]
    resolved.write_text(dump(older))
    saved = torch.load(checkpoint, weights_only=True)
    saved["seqtool"]["fingerprint"] = _digest(older, 3)
    torch.save(saved, checkpoint)
    assert seqtool.load(run, checkpoint="last").step == 5
    (run / "default/seed3/result.json").unlink()
    assert seqtool.run(resume=run)["variants"]["default"]["seeds"]["3"]["steps"] == 5
    older["train"]["clip_norm"] = 2.0
    resolved.write_text(dump(older))
    with pytest.raises(SeqtoolError, match="belongs to another recipe or seed"):
        seqtool.load(run, checkpoint="last")
