"""Runs a model in the precision of its training, which a processor may not support."""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import replace

import torch

from seqtool.build.assembly import Assembly, build_model
from seqtool.build.recipe_errors import recipe_error
from seqtool.parts.batch import Batch
from seqtool.recipe import Variant

PARAMETER_DTYPES = {"32-true": torch.float32, "64-true": torch.float64, "bf16-true": torch.bfloat16}
"""The dtype of the parameters for precisions without autocast."""


def check_precision(variant: Variant, assembly: Assembly, batch: Batch, device: str | None) -> None:
    """Run a forward and a backward pass in the precision of the recipe, if it trains on the CPU.

    The model must already have run in float32, so that an error here is due to the precision.

    Raises:
        RecipeError: this processor does not support an operation of the model in this precision.
    """
    precision = variant.train.precision
    if precision == "32-true" or not _trains_on_cpu(device or variant.train.accelerator):
        return
    model, dtype = assembly.model, PARAMETER_DTYPES.get(precision)
    if dtype:
        model, batch = build_model(variant, assembly.task, assembly.options.seed).to(dtype), _converted(batch, dtype)
    try:
        with _computing_in(dtype), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            total, _ = assembly.loss(*model.eval()(batch), batch)
        if total.requires_grad:
            torch.autograd.grad(total, [x for x in model.parameters() if x.requires_grad], allow_unused=True)
    except RuntimeError as error:
        message = f"this processor cannot train the model in {precision}: {' '.join(str(error).split())}"
        raise recipe_error(variant, ("train", "precision"), message, "32-true") from error


def _trains_on_cpu(accelerator: str) -> bool:
    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    return accelerator == "cpu" or (accelerator == "auto" and not accelerated)


def _converted(batch: Batch, dtype: torch.dtype) -> Batch:
    """The batch with continuous sources and targets in `dtype`, as Lightning converts it."""
    source, target = (side.to(dtype) if side.is_floating_point() else side for side in (batch.source, batch.target))
    return replace(batch, source=source, target=target)


@contextlib.contextmanager
def _computing_in(dtype: torch.dtype | None) -> Iterator[None]:
    """`dtype` as the default, as in training; None for autocast to bfloat16, the only one on the CPU."""
    if dtype is None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            yield
        return
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
