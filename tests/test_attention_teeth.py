"""Each seeded fault of a scorer or normalizer is detected by the contract suite or by its equation."""

from collections.abc import Callable
from functools import partial
from typing import Any

import attention_faults as faults
import pytest
import torch
from attention_oracle import QUERY, check_normalizer_equation, check_scorer_equation, randn
from torch import nn

from seqtool import equations as eq
from seqtool.equations.vectors import sigmoid
from seqtool.testing import ContractViolation, check
from seqtool_attention.monotonic import Monotonic

CONTRACT: dict[str, tuple[str, Callable[..., Any], str]] = {
    "any option at all": ("scorer", faults.AnyOption, r"takes \*args or \*\*kwargs"),
    "a quotient of products": ("normalizer", faults.QuotientOfProducts, r"not finite with 200 positions"),
    "cosine of nothing": ("scorer", faults.CosineOfNothing, r"not finite"),
    "uniform over padding": ("scorer", faults.UniformOverPadding, r"row 0's scores change when padding grows"),
    "aware in parallel": ("scorer", faults.AwareInParallel, r"single queries|but parallel is True"),
    "coverage on self": ("scorer", faults.CoverageOnSelf, r"use writes on self\.seen"),
    "a query that nobody reads": (
        "scorer",
        partial(faults.DenseOfTheQuery, max_length=20),
        r"scores do not depend on the query, and reads_query is True",
    ),
    "centred over the batch": (
        "scorer",
        faults.FeedForwardAgain,
        r"row 0's scores change when the row is a batch of its own",
    ),
    "steps forgotten": (
        "normalizer",
        partial(faults.StepsForgotten, half_width=1),
        r"state differ between one call of 3 steps and single steps",
    ),
    "the padded length": ("normalizer", faults.PaddedLength, r"row 0's weights change when padding grows"),
    "the end left": ("normalizer", faults.LeavesTheEnd, r"row \d's weights sum to .* not to 1, and it declares"),
    "nothing that can be reached": ("normalizer", faults.ForwardUnclamped, r"nan in row 2"),
    "noise at inference": ("normalizer", faults.NoiseAtInference, r"differ the second time"),
    "monotonic sums to one": ("normalizer", faults.MonotonicSumsToOne, r"not to 1, and it declares normalized = True"),
    "two energies as one": ("normalizer", faults.TwoEnergiesAsOne, r"it crashes in forward, mocha\.py"),
}
SCORERS: dict[str, tuple[str, Callable[..., Any], str]] = {
    "mu twice": ("gmm", faults.MuTwice, r"row 0's score at step 0 at position 0"),
    "no Z": ("gmm", partial(faults.DensityWithoutZ, variant="v2"), r"row 0's score at step 0"),
    "filters one behind": ("location_aware", faults.FiltersOneBehind, r"row 0's score at step 0"),
    "coverage of the last step": ("coverage", faults.CoverageOfTheLastStep, r"row 0's score at step 2"),
    "a prior the wrong way": ("dynamic_convolution", faults.PriorTheWrongWay, r"row 0's score at step 0"),
    "joined the wrong way round": ("concat", faults.ConcatTheWrongWayRound, r"row 0's score at step 0"),
    "positions shifted": ("location", partial(faults.LocationShifted, max_length=9), r"row 0's score at step 0"),
}
NORMALIZERS: dict[str, tuple[str, Callable[..., Any], str]] = {
    "a window too narrow": ("local_m", faults.WindowTooNarrow, r"row 0's weight at step 0 at position 0"),
    "a window one behind": ("local_m", partial(faults.WindowOneBehind, half_width=1), r"row 0's weight at step 0"),
    "normalised again": ("local_p", faults.NormalizedAgain, r"row 0's weight at step 0"),
    "an inclusive product": ("monotonic", faults.InclusiveProduct, r"row 0's weight at step 0 at position 1"),
    "chosen from the start": ("monotonic", faults.ChoosesFromTheStart, r"row 0's weight at step 1"),
    "recurs on b": ("mocha", faults.RecursOnChunks, r"row 0's weight at step 1"),
    "a chunk ahead": ("mocha", faults.ChunkAhead, r"row 0's weight at step 0"),
    "moves by its own chance": ("stepwise_monotonic", faults.MovesByItsOwnChance, r"row 0's weight at step 0"),
    "forward from everywhere": ("forward", faults.ForwardFromEverywhere, r"row 0's weight at step 0"),
    "entmax of one": ("entmax15", faults.EntmaxOfOne, r"row \d's weight at step \d"),
}


@pytest.mark.parametrize("fault", CONTRACT)
def test_contract_suite_names_the_fault(fault: str) -> None:
    kind, build, words = CONTRACT[fault]
    with pytest.raises(ContractViolation, match=words) as caught:
        check(kind, build)
    assert str(caught.value).startswith(f"{kind} ")


def random(part: Any) -> Any:
    """A part for evaluation with random parameters, in float64."""
    for parameter in part.double().parameters():
        nn.init.normal_(parameter, std=0.7)
    return part.eval()


@pytest.mark.parametrize("fault", SCORERS)
def test_scorer_equation_catches_the_fault(fault: str) -> None:
    name, build, words = SCORERS[fault]
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match=f"^scorer {name}: {words}"):
        check_scorer_equation(name, random(build(QUERY, 5)), 5)


@pytest.mark.parametrize("fault", NORMALIZERS)
def test_normalizer_equation_catches_the_fault(fault: str) -> None:
    name, build, words = NORMALIZERS[fault]
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match=f"^normalizer {name}: {words}"):
        check_normalizer_equation(name, random(build(QUERY)))


def error(part: Monotonic, source: int) -> float:
    """The largest difference of a step's weights from those of the loop."""
    energies, before = 3 * randn(1, source) + 3, 0.01 + randn(1, source).square()
    before = before / before.sum()
    found = part.double().eval().monotonic_weights(energies, before)[0].tolist()
    p = [sigmoid(e + part.bias.item()) for e in energies[0].tolist()]
    return max(abs(a - b) for a, b in zip(found, eq.normalizer.monotonic(p, before[0].tolist()), strict=True))


def test_clamped_form_is_wrong_only_for_long_sources() -> None:
    assert error(faults.ClampedProducts(QUERY), 4) < 1e-9
    assert error(faults.ClampedProducts(QUERY), 60) > 1e-3
    for source in (4, 60, 500):
        assert error(Monotonic(QUERY), source) < 1e-12
