"""Compare parts on a device with the same parts on the CPU in float64."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.errors import MisuseError, nearest_name
from seqtool.testing.attention import AttentionContract
from seqtool.testing.cell import CellContract
from seqtool.testing.contract import Contract, ContractViolation, modalities
from seqtool.testing.decoder import DecoderContract, shrink_parameters
from seqtool.testing.differences import Outputs, relative_error
from seqtool.testing.embedding import EmbeddingContract
from seqtool.testing.encoder import EncoderContract
from seqtool.testing.gradients import GradientContract
from seqtool.testing.loss import LossContract
from seqtool.testing.metric import MetricContract
from seqtool.testing.module_contract import Run
from seqtool.testing.normalizer import NormalizerContract
from seqtool.testing.optimizer import OptimizerContract
from seqtool.testing.readout import ReadoutContract
from seqtool.testing.scorer import ScorerContract
from seqtool.testing.search import CLOSED, LENGTH, SearchContract
from seqtool.testing.task import TaskContract

TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""The largest difference from the float64 reference, as a fraction of the largest number of a tensor."""
CONTRACTS: dict[str, type[Contract]] = {
    contract.kind: contract
    for contract in (
        AttentionContract, CellContract, DecoderContract, EmbeddingContract, EncoderContract, LossContract,
        MetricContract, NormalizerContract, OptimizerContract, ReadoutContract, ScorerContract, SearchContract,
        TaskContract,
    )
}  # fmt: skip
"""The kinds that can be checked on a device."""

Compute = Callable[[torch.device, torch.dtype], Outputs]
"""Computes outputs on a device in a dtype."""
Pair = tuple[str, Compute]
CPU = torch.device("cpu")


def check_on_device(
    kind: str,
    build: Callable[..., Any],
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
    *,
    name: str = "",
    sizes: tuple[Any, ...] | None = None,
) -> None:
    """Compare a part's outputs and gradients on a device with those on the CPU in float64.

    Parameters and inputs are those of the contract suite, rounded to `dtype` first. An error above `TOLERANCES[dtype]`
    is accepted if it is at most ten times that of the CPU in `dtype`. Turn TF32 off first.

    Args:
        kind: one of `CONTRACTS`.
        build: takes the sizes of the kind and returns the part.
        device: the device.
        dtype: dtype of the parameters and inputs on the device.
        name: name of the part in messages; default: the name of its class.
        sizes: sizes to build with; default: those of the contract.

    Raises:
        MisuseError: there is no check on a device for this kind.
        ContractViolation: an output or gradient differs, is not finite or is on another device, or the part raised.
    """
    if kind not in CONTRACTS:
        raise MisuseError(
            f"no check on a device for {kind!r}", allowed=list(CONTRACTS), nearest=nearest_name(kind, CONTRACTS)
        )
    contract = CONTRACTS[kind](build, name=name, sizes=sizes)
    place = torch.device(device)
    with torch.random.fork_rng(devices=[]):
        contract.generator.manual_seed(0)
        try:
            for label, compute in _computations(contract, dtype):
                _compare(contract, f"{label} on {place} in {_plain(dtype)}", compute, place, dtype)
        except ContractViolation:
            raise
        except Exception as error:  # a part may raise anything
            message = " ".join(f"{type(error).__name__}: {error}".split())
            raise ContractViolation(f"{contract.label()}: on {place} in {_plain(dtype)} raised {message}") from error


def _compare(
    contract: Contract,
    where: str,
    compute: Compute,
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    found = compute(device, dtype)
    wanted = compute(CPU, torch.float64)
    contract.expect(found.keys() == wanted.keys(), f"{where}: returns {sorted(found)}, on the CPU {sorted(wanted)}")
    own: Outputs | None = None
    for name, value in wanted.items():
        here = found[name]
        contract.expect(here.device.type == device.type, f"{where}: {name} are on {here.device}")
        contract.expect(here.shape == value.shape, f"{where}: {name} are {list(here.shape)}, not {list(value.shape)}")
        error = relative_error(value, here.to(CPU), nonfinite=True)
        if error <= TOLERANCES[dtype]:
            continue
        own = own or _attempt(compute, dtype)
        allowed = 10 * relative_error(value, own[name], nonfinite=True) if name in own else 0.0
        contract.expect(error <= allowed < torch.inf, f"{where}: {name} are off by {error:.1e} of the largest number")


def _attempt(compute: Compute, dtype: torch.dtype) -> Outputs:
    """The outputs on the CPU in `dtype`; empty if the CPU lacks an operation for it."""
    try:
        return compute(CPU, dtype)
    except (RuntimeError, NotImplementedError):
        return {}


def _computations(contract: Contract, dtype: torch.dtype) -> Iterator[Pair]:
    """Everything that is compared for a kind, with its description; inputs are rounded to `dtype`."""
    if isinstance(contract, GradientContract):
        for number, run in enumerate(contract.runs()):
            yield ("step by step" if number else "whole"), _tensors(contract, run, dtype)
    elif isinstance(contract, LossContract | MetricContract):
        for modality in modalities(contract.part()):
            contract.modality = modality
            yield modality, _loss(contract, dtype) if isinstance(contract, LossContract) else _metric(contract, dtype)
    elif isinstance(contract, SearchContract):
        yield "search", lambda device, given: _search(contract, device, given)
    elif isinstance(contract, OptimizerContract):
        yield "three steps", lambda device, given: _optimizer(contract, device, given)
    elif isinstance(contract, TaskContract):
        yield "batches", lambda device, given: _task(contract, device)


def _tensors(contract: GradientContract, run: Run, rounded: torch.dtype) -> Compute:
    """Outputs, and gradients with respect to inputs and parameters."""
    exact = contract.part()
    inputs = contract.draw(exact, dtype=rounded)
    if contract.kind == "decoder":
        shrink_parameters(exact)
    exact.to(rounded)

    def compute(device: torch.device, dtype: torch.dtype) -> Outputs:
        part = copy.deepcopy(exact).to(device=device, dtype=dtype)
        return contract.with_gradients(part, {name: _moved(x, device, dtype) for name, x in inputs.items()}, run)

    return compute


def _loss(contract: LossContract, rounded: torch.dtype) -> Compute:
    """Sum, count, and the gradient of the logits."""
    part = contract.part()
    logits, weights, batch = contract.given(dtype=rounded)

    def compute(device: torch.device, dtype: torch.dtype) -> Outputs:
        given = logits.to(device, dtype).requires_grad_()
        here = copy.deepcopy(part).to(device=device, dtype=dtype) if isinstance(part, nn.Module) else part
        total, count = here(given, weights.to(device, dtype), batch.to(device))
        found = {"sum": total, "count": count}
        if total.requires_grad:
            (of,) = torch.autograd.grad(total, given, allow_unused=True)
            found |= {} if of is None else {"gradients of logits": of}
        return found

    return compute


def _metric(contract: MetricContract, rounded: torch.dtype) -> Compute:
    """The two sums."""
    part = contract.part()
    predicted, weights, batch = contract.given()
    weights = weights.to(rounded)
    return lambda device, dtype: {
        "sums": contract.sums(part, predicted.to(device), weights.to(device, dtype), batch.to(device))
    }


def _search(contract: SearchContract, device: torch.device, dtype: torch.dtype) -> Outputs:
    """The hypotheses of a random model; of a stochastic search only whether scores are finite."""
    part, (source, mask) = contract.part(), contract.source()
    exact = (
        dtype if dtype in (torch.float32, torch.float64) else torch.float32
    )  # in lower precision the order of scores may differ
    model = contract.model(CLOSED).to(device=device, dtype=exact)
    found = part.search(model, source.to(device), mask.to(device), LENGTH)
    if part.stochastic:
        return {"finite": found.scores.isfinite().all()}
    return {"ids": found.ids, "mask": found.mask, "scores": found.scores}


def _optimizer(contract: OptimizerContract, device: torch.device, dtype: torch.dtype) -> Outputs:
    """The parameters after three steps."""
    torch.manual_seed(0)
    start = [torch.randn(size, dtype=torch.float32).to(device, dtype) for size in (3, 5)]
    parameters = [nn.Parameter(x) for x in start]
    optimizer = contract.build(iter(parameters))
    for _ in range(3):
        optimizer.zero_grad()
        sum((p**2).sum() for p in parameters).backward()  # type: ignore[union-attr]
        optimizer.step()
    return {f"parameters[{i}]": p.detach() for i, p in enumerate(parameters)}


def _task(contract: TaskContract, device: torch.device) -> Outputs:
    """The first validation batch; training batches differ by device, so they are only checked to be reproducible."""
    task = contract.part()
    arguments: dict[str, Any] = {"seed": 0, "rank": 0, "batch_size": 5, "device": device}
    train, again = (task.batch("train", 3, **arguments) for _ in range(2))
    for name, value in vars(train).items():
        if isinstance(value, Tensor):
            contract.expect(value.device.type == device.type, f"a training batch's {name} is on {value.device}")
            contract.expect(torch.equal(value, getattr(again, name)), f"a training batch's {name} differs when redrawn")
    return {name: x for name, x in vars(task.batch("valid", 0, **arguments)).items() if isinstance(x, Tensor)}


def _moved(x: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return x.to(device, dtype) if x.is_floating_point() else x.to(device)


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
