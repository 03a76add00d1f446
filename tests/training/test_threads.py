"""The number of threads of a training: chosen by the size of the model, recorded, and kept by a resumed run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from seqtool.build.assembly import assemble
from seqtool.recipe import Variant, load_recipe
from seqtool.runs import SeedDirectory
from seqtool.training import threads
from seqtool.training.fit import fit_seed
from seqtool.training.stopping import Interrupted, StopSignal

CPU = torch.device("cpu")
WITHOUT_CELLS = [
    "model.encoder={type: transformer, hidden_size: 8}",
    "model.decoder={type: attend_only, attention: {scorer: additive}}",
]


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def variant(path: Path, *overrides: str) -> Variant:
    return load_recipe(path, overrides=overrides).variants["default"]


def test_auto_depends_on_the_parallel_work(small: Path) -> None:
    assembly = assemble(variant(small), 0)
    parts = (assembly.model.encoder, assembly.model.decoder)
    parameters = sum(x.numel() for part in parts for x in part.parameters())
    assert threads.parallel_work(assembly) == 8 * parameters
    assert threads.choose_threads(assembly, CPU) == 1
    batch_size = -(-threads.MIN_PARALLEL_WORK // parameters)
    large = assemble(variant(small, f"train.batch_size={batch_size}"), 0)
    assert threads.choose_threads(large, CPU) == 2
    smaller = assemble(variant(small, f"train.batch_size={batch_size - 1}"), 0)
    assert threads.choose_threads(smaller, CPU) == 1
    assert threads.choose_threads(smaller, torch.device("cuda")) == 2


def test_without_cells_all_source_symbols_are_parallel_work(small: Path) -> None:
    assembly = assemble(variant(small, *WITHOUT_CELLS), 0)
    parts = (assembly.model.encoder, assembly.model.decoder)
    parameters = sum(x.numel() for part in parts for x in part.parameters())
    batch = assembly.task.batch("valid", 0, seed=0, rank=0, batch_size=8, device=CPU)
    symbols = sum(row.tolist().count(True) for row in batch.source_mask)
    assert 8 * 6 <= symbols <= 8 * 9
    assert threads.parallel_work(assembly) == symbols * parameters


@pytest.mark.parametrize("number", [1, 3])
def test_a_given_number_is_used(small: Path, number: int) -> None:
    assembly = assemble(variant(small, f"train.threads={number}"), 0)
    assert threads.choose_threads(assembly, CPU) == number


def test_a_resumed_run_keeps_its_number(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, given = SeedDirectory(tmp_path / "seed0"), variant(small, "train.steps=4", "train.log_every=1")

    def recorded() -> int:
        return int(json.loads(directory.environment.read_text())["threads"])

    with StopSignal() as stop, pytest.raises(Interrupted):
        fit_seed(given, 0, directory, stop, listeners=[lambda row: setattr(stop, "requested", True)])
    assert recorded() == 1
    assert torch.get_num_threads() == 2
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", 0)  # a new run would use two threads
    used: list[int] = []
    with StopSignal() as stop:
        listen = [lambda row: used.append(torch.get_num_threads())]
        fit_seed(given, 0, directory, stop, resume=directory.last_checkpoint, listeners=listen)
    assert recorded() == 1
    assert set(used) == {1}
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("given", "used"), [(None, "PASSIVE"), ("active", "active")])
def test_the_command_line_sets_passive_waiting_before_torch_is_loaded(given: str | None, used: str) -> None:
    code = (
        "import os, sys\nfrom seqtool.cli import main\nassert 'torch' not in sys.modules\n"
        "try:\n    main(['--version'])\nfinally:\n    print(os.environ['OMP_WAIT_POLICY'])\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == used
