"""A run over a file of pairs: the file goes, the run stays and predicts."""

import shutil
from pathlib import Path

import pytest
from small_run import REVERSES

import seqtool
from seqtool.errors import SeqtoolError
from seqtool.registry import Registry, discover

PLUGIN = '''
from pathlib import Path
from seqtool.api import Component, Examples, ExampleTask, PartError, Ragged, Vocabulary, hookimpl

SEQTOOL_API = (1, 0)


class Pairs(ExampleTask):
    """Pairs of words, a space between them.

    Args:
        path: a line a pair.
    """

    ending = "eos"

    def __init__(self, *, path: str) -> None:
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


def test_a_run_predicts_when_its_data_are_gone(tmp_path: Path, registry: Registry) -> None:
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
    before = [one.text for one in loaded.predict(["abc", "cab", "éa"])]
    assert before == ["cba", "bac", "aé"]
    data.write_text("xy yx\n")
    with pytest.raises(SeqtoolError, match="the data of this run's task have changed"):
        loaded.evaluate("test")
    data.unlink()
    recipe.unlink()
    loaded = seqtool.load(tmp_path / "kept", registry=registry)
    assert [one.text for one in loaded.predict(["abc", "cab", "éa"])] == before
    with pytest.raises(SeqtoolError, match="has no 'x'"):
        loaded.predict(["abx"])
    with pytest.raises(SeqtoolError, match=r"there is no .*pairs\.txt"):
        loaded.evaluate("test")
