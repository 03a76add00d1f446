"""Correctness on a device: whole runs, then every part against the CPU in float64."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import torch

from benchmarks import steps
from benchmarks.gpu import whole_runs
from benchmarks.gpu.report import FailedError, Item, Setting, SkippedError
from benchmarks.shapes import Shape, variant
from seqtool.registry import Registered, default_registry
from seqtool.testing import CONTRACTS as ALL_CONTRACTS
from seqtool.testing import ContractViolation, example_options, variations
from seqtool.testing.device import CONTRACTS, TOLERANCES, check_on_device

DTYPES = (torch.float32, torch.bfloat16)
FAMILIES = ("gmm", "input_feeding", "plain", "transformer")
KERNELS = ALL_CONTRACTS["kernel"]
DEFAULTS_ONLY = ("task",)
"""Kinds checked only with their example options, since they read data and compute little."""


def items(setting: Setting) -> Iterator[Item]:
    """Whole runs first, then all parts by kind."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch reads it only at the first matrix product
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield from whole_runs.items(setting)
    for family, shape in product(FAMILIES, (Shape(8, 7, 3, 5),) if setting.quick else (Shape(32), Shape(256))):
        yield Item(f"{family}, {shape}: kernels", partial(_model, family, shape, setting))
        yield Item(f"{family}, {shape}: CUDA graphs", partial(_graphs, family, shape, setting))
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
    """Every part, varying each option in turn, in each dtype. All failures are listed."""
    failures, count = [], 0
    for part in parts:
        cls = part.load()
        for options in _options(part, setting):
            build = partial(cls, **options)
            for dtype in DTYPES if part.kind not in DEFAULTS_ONLY else DTYPES[:1]:
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
    if not setting.quick and part.kind not in DEFAULTS_ONLY:
        contract = CONTRACTS[part.kind]
        for change in variations(cls, lambda options: contract(partial(cls, **options)).part()):
            yield base | change


def _changed(cls: type, options: dict[str, Any]) -> str:
    base = example_options(cls)
    return ", ".join(f"{name}={value!r}" for name, value in options.items() if base.get(name, ...) != value)


def _kernel(part: Registered) -> tuple[list[str], Any]:
    """All rules of the contract of a kernel for this type of device."""
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
    """Loss and gradients of a model with the device's kernels, compared with the reference on the CPU in float64."""
    found, wanted = (_gradients(family, shape, setting.device, engine) for engine in ("auto", "reference"))
    errors = {name: float((found[name] - value).abs().max() / value.abs().max()) for name, value in wanted.items()}
    worst = max(errors, key=errors.__getitem__)
    line = f"largest relative difference {errors[worst]:.1e}, in {worst}"
    if not errors[worst] <= TOLERANCES[torch.float32]:
        raise FailedError(line)
    return [line], errors


def _gradients(family: str, shape: Shape, device: torch.device, engine: str) -> dict[str, torch.Tensor]:
    """The loss and each gradient, moved to the CPU in float64. The reference is computed there."""
    target, dtype = (steps.CPU, torch.float64) if engine == "reference" else (device, torch.float32)
    assembly, _ = steps.prepare(variant(family, shape, engine=engine), target)
    assembly.model.to(dtype)
    logits, weights = assembly.model(steps.batch(shape).to(target))
    total, count = assembly.loss(logits, weights, steps.batch(shape).to(target))
    (total / count).backward()
    found = {name: x.grad for name, x in assembly.model.named_parameters() if x.grad is not None}
    return {name: x.detach().to("cpu", torch.float64) for name, x in {"loss": total / count, **found}.items()}


def _graphs(family: str, shape: Shape, setting: Setting) -> tuple[list[str], Any]:
    """Parameters after eight steps with CUDA graphs, compared with eight eager steps.

    Some of torch's kernels sum in any order, so the tolerance is the difference of two eager trainings.
    """
    if setting.device.type != "cuda":
        raise SkippedError("CUDA graphs need a CUDA device")
    ends = []
    for graphs in (False, False, True):
        assembly, optimizer = steps.prepare(variant(family, shape, engine="auto"), setting.device)
        step = steps.batch_step(assembly, optimizer, graphs=graphs)
        for k in range(8):
            step(assembly.task.batch("train", k, seed=0, rank=0, batch_size=shape.batch, device=setting.device))
        ends.append({name: x.detach().cpu() for name, x in assembly.model.state_dict().items()})
    eager, again, replayed = ends
    spread = max(float((again[name] - x).abs().max()) for name, x in eager.items())
    errors = {name: float((replayed[name] - x).abs().max()) for name, x in eager.items()}
    worst = max(errors, key=errors.__getitem__)
    line = f"parameters are at most {errors[worst]:.1e} apart, in {worst}; two eager trainings are {spread:.1e} apart"
    if not errors[worst] <= max(1e-6, 3 * spread):
        raise FailedError(line)
    return [line], errors


def _memory(family: str, setting: Setting) -> tuple[list[str], Any]:
    """Peak memory of a training step in megabytes, excluding the parameters."""
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
