"""A caller's process-wide settings of torch change no result, and are unchanged afterwards."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small_run import SMALL, same_run

import seqtool
from seqtool.build.torch_settings import reserved_for_training, seeded
from seqtool.errors import SeqtoolError

SHORT = ["train.steps=6", "train.validate_every=3", "train.log_every=2"]


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        assert torch.get_default_dtype() == dtype
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        assert torch.get_default_device() == torch.device(device)
        torch.set_default_device(None)


def float64() -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    stack.enter_context(default_dtype(torch.float64))
    stack.enter_context(default_device("meta"))  # a tensor that is created there has no values
    stack.enter_context(torch.autocast("cpu", dtype=torch.bfloat16))
    stack.enter_context(torch.no_grad())
    return stack


def bfloat16() -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    stack.enter_context(default_dtype(torch.bfloat16))
    stack.enter_context(torch.device("meta"))
    stack.enter_context(torch.inference_mode())
    return stack


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run under torch's defaults."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "small.yaml").write_text(SMALL)
    seqtool.run(folder / "small.yaml", out=folder / "run", overrides=SHORT)
    return folder


def results(run: Path) -> str:
    """Predictions, measures and effects of a loaded run."""
    model = seqtool.load(run)
    return repr(
        [
            model.evaluate("valid", batches=1, batch_size=4).plain(),
            model.intervene("valid", examples=4, batch_size=4, only=["uniform"]).plain(),
            model.predict_batch(["1"], [(1, 2, 0)], model.build_search("beam")),
        ]
    )


def test_settings_change_no_result(plain: Path, tmp_path: Path) -> None:
    wanted, generator = results(plain / "run"), torch.get_rng_state()
    with float64():
        seqtool.run(plain / "small.yaml", out=tmp_path / "run", overrides=SHORT)
    same_run(plain / "run/default/seed0", tmp_path / "run/default/seed0")
    with bfloat16():
        assert results(tmp_path / "run") == wanted
    assert torch.equal(torch.get_rng_state(), generator)


def test_one_thread_trains_at_a_time(plain: Path, tmp_path: Path) -> None:
    refused = []

    def beside() -> None:
        for call in (
            lambda: seqtool.run(plain / "small.yaml", out=tmp_path / "second"),
            lambda: seqtool.load(plain / "run"),
        ):
            with pytest.raises(SeqtoolError, match="another thread of this process is training") as error:
                call()
            refused.append(error)

    with reserved_for_training():
        thread = threading.Thread(target=beside)
        thread.start()
        thread.join()
    assert len(refused) == 2
    assert not (tmp_path / "second").exists()
    seqtool.load(plain / "run")


def test_models_are_built_one_after_the_other_with_equal_parameters(plain: Path) -> None:
    found: list[torch.Tensor] = []

    def draw(start: threading.Barrier) -> None:
        start.wait()
        for _ in range(20):
            with seeded(7):
                found.append(torch.cat([torch.rand(50) for _ in range(20)]))

    start = threading.Barrier(3)
    threads = [threading.Thread(target=draw, args=(start,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 60
    assert all(torch.equal(one, found[0]) for one in found)
