"""What seqtool computes on a device: every part against the CPU in float64, then whole runs."""

import json
import math
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner

from benchmarks import steps
from benchmarks.gpu.report import FailedError, Item, Setting, SkippedError
from benchmarks.shapes import Shape, variant
from seqtool.cli import group
from seqtool.errors import SeqtoolError
from seqtool.experiment import run
from seqtool.registry import Registered, default_registry
from seqtool.runs import RunDirectory
from seqtool.testing import CONTRACTS as ALL_CONTRACTS
from seqtool.testing import ContractViolation, example_options, variations
from seqtool.testing.device import CONTRACTS, TOLERANCES, check_on_device
from seqtool.training.checkpoint_io import AtomicCheckpointIO

DTYPES = (torch.float32, torch.bfloat16)
PRECISIONS = ("16-mixed", "bf16-mixed", "bf16-true")
FAMILIES = ("gmm", "input_feeding", "plain", "transformer")
KERNELS = ALL_CONTRACTS["kernel"]
ONCE = ("task",)
"""Kinds of which only the first options are tried: they read data, and compute little."""


def items(setting: Setting) -> Iterator[Item]:
    """Whole runs first, which are few, then all parts, kind by kind."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch reads it at the first matrix product alone
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield Item("trains in 32-true", partial(_trains, "32-true", setting))
    yield Item("two runs are equal", partial(_equal, setting))
    yield Item("resumed bit for bit", partial(_resumed, setting))
    yield Item("predict, evaluate, intervene", partial(_verbs, setting))
    for family, shape in product(FAMILIES, (Shape(8, 7, 3, 5),) if setting.quick else (Shape(32), Shape(256))):
        yield Item(f"{family}, {shape}: kernels", partial(_model, family, shape, setting))
        yield Item(f"{family}, {shape}: CUDA graphs", partial(_graphs, family, shape, setting))
    for precision in PRECISIONS:
        yield Item(f"trains in {precision}", partial(_trains, precision, setting))
    for family in FAMILIES:
        yield Item(f"peak memory of {family}", partial(_memory, family, setting))
    registry = default_registry()
    for kind in CONTRACTS:
        if kind != "attention":
            parts = registry.parts(kind)[: 2 if setting.quick else None]
            yield Item(f"{kind}: {len(parts)} parts", partial(_parts, parts, setting))
    for part in registry.parts("kernel"):
        if setting.device.type in part.load().devices and not setting.quick:
            yield Item(f"kernel {part.name}", partial(_kernel, part))


def _parts(parts: list[Registered], setting: Setting) -> tuple[list[str], Any]:
    """Every part with every other option in turn, in each dtype; all failures are listed."""
    failures, count = [], 0
    for part in parts:
        cls = part.load()
        for options in _options(part, setting):
            build = partial(cls, **options)
            for dtype in DTYPES if part.kind not in ONCE else DTYPES[:1]:
                count += 1
                try:
                    check_on_device(part.kind, build, setting.device, dtype, name=part.name)
                except ContractViolation as violation:
                    failures.append(f"{violation} [{_changed(cls, options)}]")
    if failures:
        raise FailedError("\n".join([f"{len(failures)} of {count} checks failed", *failures]))
    return [f"{count} checks"], {"checks": count}


def _options(part: Registered, setting: Setting) -> Iterator[dict[str, Any]]:
    cls = part.load()
    base = example_options(cls)
    yield base
    if not setting.quick and part.kind not in ONCE:
        contract = CONTRACTS[part.kind]
        for change in variations(cls, lambda options: contract(partial(cls, **options)).part()):
            yield base | change


def _changed(cls: type, options: dict[str, Any]) -> str:
    base = example_options(cls)
    return ", ".join(f"{name}={value!r}" for name, value in options.items() if base.get(name, ...) != value)


def _kernel(part: Registered) -> tuple[list[str], Any]:
    """The contract of a kernel for this type of device; all rules are tried."""
    contract = KERNELS(part.load(), name=part.name)
    failures = []
    for rule in contract.rules():
        try:
            contract.check([rule])
        except ContractViolation as violation:
            failures.append(f"{rule}: {violation}")
    if failures:
        raise FailedError("\n".join(failures))
    return [f"{len(contract.rules())} rules"], None


def _model(family: str, shape: Shape, setting: Setting) -> tuple[list[str], Any]:
    """Loss and gradients of a whole model with the device's kernels, against the CPU's reference in float64."""
    found, wanted = (_gradients(family, shape, setting.device, engine) for engine in ("auto", "reference"))
    errors = {name: float((found[name] - value).abs().max() / value.abs().max()) for name, value in wanted.items()}
    worst = max(errors, key=errors.__getitem__)
    line = f"at most {errors[worst]:.1e} of the largest number off, in {worst}"
    if not errors[worst] <= TOLERANCES[torch.float32]:
        raise FailedError(line)
    return [line], errors


def _gradients(family: str, shape: Shape, device: torch.device, engine: str) -> dict[str, torch.Tensor]:
    """The loss and each gradient, on the CPU in float64; the reference is computed there."""
    place, dtype = (steps.CPU, torch.float64) if engine == "reference" else (device, torch.float32)
    made, _ = steps.trained(variant(family, shape, engine=engine), place)
    made.model.to(dtype)
    logits, weights = made.model(steps.batch(shape).to(place))
    total, count = made.loss(logits, weights, steps.batch(shape).to(place))
    (total / count).backward()
    found = {name: x.grad for name, x in made.model.named_parameters() if x.grad is not None}
    return {name: x.detach().to("cpu", torch.float64) for name, x in {"loss": total / count, **found}.items()}


def _graphs(family: str, shape: Shape, setting: Setting) -> tuple[list[str], Any]:
    """Parameters after eight steps that are replayed as CUDA graphs, against eight that are not.

    Some of torch's kernels add in any order; what they make of the same eight steps, run twice, is the scale.
    """
    if setting.device.type != "cuda":
        raise SkippedError("CUDA graphs need a CUDA device")
    ends = []
    for graphs in (False, False, True):
        made, optimizer = steps.trained(variant(family, shape, engine="auto"), setting.device)
        step = steps.stepped(made, optimizer, graphs=graphs)
        for k in range(8):
            step(made.task.batch("train", k, seed=0, rank=0, batch_size=shape.batch, device=setting.device))
        ends.append({name: x.detach().cpu() for name, x in made.model.state_dict().items()})
    eager, again, replayed = ends
    spread = max(float((again[name] - x).abs().max()) for name, x in eager.items())
    errors = {name: float((replayed[name] - x).abs().max()) for name, x in eager.items()}
    worst = max(errors, key=errors.__getitem__)
    line = f"parameters are at most {errors[worst]:.1e} apart, in {worst}; two eager trainings are {spread:.1e} apart"
    if not errors[worst] <= max(1e-6, 3 * spread):
        raise FailedError(line)
    return [line], errors


RECIPE = """seqtool: 1
name: tiny
seeds: [0]
task: {type: alignment, source_length: 12, target_length: 4, symbols: 4}
model:
  embedding: {type: learned, embedding_size: 16}
  encoder: {type: rnn, bidirectional: true, cell: {type: lstm, hidden_size: 16}}
  decoder:
    type: attend_after
    cell: {type: lstm, hidden_size: 16}
    attention: {scorer: additive, normalizer: softmax}
    attentional_size: 16
    input_feeding: true
    bridge: linear
train: {steps: 60, batch_size: 32, validate_every: 30, optimizer: {type: adam, lr: 1e-2}, clip_norm: 1.0, log_every: 5}
"""


def _trained(folder: str, setting: Setting, *changes: str, out: str = "run") -> RunDirectory:
    """A run of the tiny recipe on the device."""
    path = Path(folder) / "tiny.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    count = 20 if setting.quick else 60
    given = [f"train.steps={count}", f"train.validate_every={count // 2}", *changes]
    _ran(path, out=Path(folder) / out, overrides=given, device=str(setting.device))
    return RunDirectory.open(Path(folder) / out)


def _ran(*arguments: Any, **named: Any) -> None:
    """`run`, after which torch is as it was: `deterministic: true` is a setting of the process."""
    try:
        run(*arguments, **named)
    finally:
        torch.use_deterministic_algorithms(False)


def _trains(precision: str, setting: Setting) -> tuple[list[str], Any]:
    """Losses are finite and fall."""
    if precision == "16-mixed" and setting.device.type == "cpu":
        raise SkippedError("16-mixed needs an accelerator")
    if precision.startswith("bf16") and setting.device.type == "cpu":
        raise SkippedError("needs a processor with bfloat16 instructions")
    with tempfile.TemporaryDirectory() as folder:
        changes = [f"train.precision={precision}"]
        changes += ["train.optimizer.fused=false"] * (precision == "16-mixed")
        directory = _trained(folder, setting, *changes)
        (place,) = _seeds(directory)
        losses = [float(row["train_loss"]) for row in place.read_metrics() if row["train_loss"]]
        environment = json.loads(place.environment.read_text())
    line = f"loss {losses[0]:.4f} -> {losses[-1]:.4f}; step {environment.get('step', 'eager')}"
    if not all(map(math.isfinite, losses)) or not losses[-1] < losses[0]:
        raise FailedError(f"{line}: it is not finite, or does not fall")
    graphed = setting.device.type == "cuda" and precision != "16-mixed"
    if (environment["step"]["runs"] == "graphed") != graphed:
        raise FailedError(f"{line}: expected {'graphs' if graphed else 'no graphs'}")
    return [line], {"losses": losses, "environment": environment}


def _seeds(directory: RunDirectory) -> list[Any]:
    plan = directory.read_plan()
    return [directory.seed(variant, seed) for variant in plan["variants"] for seed in plan["seeds"]]


def _equal(setting: Setting) -> tuple[list[str], Any]:
    """Two runs with `deterministic: true` have the same parameters, bit for bit."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [_trained(folder, setting, "train.deterministic=true", out=out) for out in ("one", "two")]
        first, second = (_weights(directory) for directory in runs)
    _expect_equal(first, second)
    return ["parameters are equal"], None


def _resumed(setting: Setting) -> tuple[list[str], Any]:
    """A run that is interrupted half-way and resumed ends with the parameters of one that was not."""
    count = 20 if setting.quick else 60
    changes = ("train.deterministic=true", f"train.checkpoint_every={count // 4}")
    with tempfile.TemporaryDirectory() as folder:
        whole = _trained(folder, setting, *changes, out="whole")
        with _interrupted_after_a_checkpoint():
            try:
                _trained(folder, setting, *changes, out="stopped")
            except SeqtoolError as error:
                if not str(error).startswith("stopped"):
                    raise
            else:
                raise FailedError("the run was not interrupted")
        _ran(resume=Path(folder) / "stopped", device=str(setting.device))
        first, second = _weights(whole), _weights(RunDirectory.open(Path(folder) / "stopped"))
    _expect_equal(first, second)
    return ["parameters are equal"], None


@contextmanager
def _interrupted_after_a_checkpoint() -> Iterator[None]:
    """Send this process an interrupt, as Ctrl-C does, after the first checkpoint is written."""
    save = AtomicCheckpointIO.save_checkpoint

    def interrupting(self: AtomicCheckpointIO, *arguments: Any, **named: Any) -> None:
        save(self, *arguments, **named)
        AtomicCheckpointIO.save_checkpoint = save  # type: ignore[method-assign]
        os.kill(os.getpid(), signal.SIGINT)

    AtomicCheckpointIO.save_checkpoint = interrupting  # type: ignore[method-assign]
    try:
        yield
    finally:
        AtomicCheckpointIO.save_checkpoint = save  # type: ignore[method-assign]


def _weights(directory: RunDirectory) -> dict[str, Any]:
    (place,) = _seeds(directory)
    found: dict[str, Any] = torch.load(place.last_checkpoint, weights_only=True, map_location="cpu")["state_dict"]
    return found


def _expect_equal(first: dict[str, Any], second: dict[str, Any]) -> None:
    differ = [name for name, value in first.items() if not torch.equal(value, second[name])]
    if differ:
        largest = max(float((first[name] - second[name]).abs().max()) for name in differ)
        raise FailedError(f"{len(differ)} of {len(first)} parameters differ, by {largest:.1e} at most: {differ[:5]}")


def _verbs(setting: Setting) -> tuple[list[str], Any]:
    """predict, evaluate and intervene of one run, on the device and on the CPU, by the command line."""
    lines, data = [], {}
    with tempfile.TemporaryDirectory() as folder:
        directory = _trained(folder, setting)
        sources = Path(folder) / "sources.txt"
        sources.write_text("_ a b _ c d\nd _ c b a\n" * 3, encoding="utf-8")
        asked = {
            "predict": [str(sources)],
            "evaluate": ["--json", "--batches", "2"],
            "intervene": ["--json", "--examples", "64"],
        }
        for verb, options in asked.items():
            here, there = (
                _command(verb, str(directory.path), *options, "--device", device)
                for device in (str(setting.device), "cpu")
            )
            lines.append(f"{verb}: {len(here)} characters, {'equal to' if here == there else 'not those of'} the CPU")
            data[verb] = {"device": here, "cpu": there}
    return lines, data


def _command(*words: str) -> str:
    """What a command line prints."""
    done = CliRunner().invoke(group, list(words))
    if done.exception:
        message = f"{type(done.exception).__name__}: {done.exception}"
        raise FailedError(f"seqtool {' '.join(words)}: {message}\n{done.output[-500:]}") from done.exception
    return done.stdout


def _memory(family: str, setting: Setting) -> tuple[list[str], Any]:
    """Megabytes that a training step allocates at its peak, beyond the parameters."""
    if setting.device.type != "cuda":
        raise SkippedError("only CUDA reports it")
    shape = Shape(256)
    step: Callable[[], None] = steps.training(family, shape, device=setting.device, engine="reference")
    step()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    megabytes = (torch.cuda.max_memory_allocated() - before) / 1e6
    return [f"{shape}, B {shape.batch}: {megabytes:.0f} MB"], {"megabytes": megabytes}
