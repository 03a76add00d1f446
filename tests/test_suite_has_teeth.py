"""The contract suite detects each seeded fault and names it correctly."""

from collections.abc import Callable
from functools import partial
from typing import Any

import cell_faults
import faults
import other_faults
import pytest

from seqtool.registry.kinds import KINDS
from seqtool.testing import STAND_INS, ContractViolation, check, check_scorer
from seqtool_attention.dot import Dot

NORMALIZER = STAND_INS["normalizer"]
GRU = partial(faults.GRU, hidden_size=5)
both_ways = partial(partial, cell=GRU, bidirectional=True)

FAULTS: dict[str, tuple[str, Callable[..., Any], str]] = {
    "masked after normalising": (
        "attention",
        partial(faults.MaskedAfterNormalizing, scorer=faults.General, normalizer=NORMALIZER),
        r"row 0's context change when padding grows from 0 to 1",
    ),
    "keys kept on self": ("scorer", faults.KeysOnSelf, r"use writes on self\.keys"),
    "kappa added twice": (
        "scorer",
        faults.KappaTwice,
        r"differ between one call of 3 queries and single queries",
    ),
    "keys of the query": ("scorer", faults.KeysOfTheQuery, r"scores have the shape \[5, 3, 3\], not \[5, 3, 7\]"),
    "keys mapped the wrong way": (
        "scorer",
        faults.KeysMappedTheWrongWay,
        r"it crashes in start, faults\.py line \d+\nRuntimeError: .*shapes cannot be",
    ),
    "keys detached": ("scorer", faults.DetachedKeys, r"gradient with respect to memory is cut somewhere"),
    "keys in a global": (
        "scorer",
        faults.KeysInAGlobal,
        r"scores change when another sequence is computed in turn: .*kept outside fixed and state",
    ),
    "a counter in place": ("scorer", faults.CountsInPlace, r"score changes a tensor of shape \[5\] that it is given"),
    "a memory scaled in place": (
        "scorer",
        faults.ScalesItsMemory,
        r"start changes a tensor of shape \[5, 3, 13\] that it is given",
    ),
    "a mean over many steps": (
        "scorer",
        faults.CentredOverSteps,
        r"scores at the first 3 steps change when there are 5",
    ),
    "keys' gradient too large": (
        "scorer",
        faults.SlightlyWrongGradient,
        r"gradient with respect to memory is not the derivative",
    ),
    "a scorer that masks": ("scorer", faults.MaskingScorer, r"scores at padding are not finite; leave masking to"),
    "a mean over padding": ("scorer", faults.SumOverLength, r"row 0's scores change when padding grows from 0 to 1"),
    "single precision": ("scorer", faults.SinglePrecision, r"scores are torch\.float32 where .* are torch\.float64"),
    "observe in parallel": ("scorer", faults.ObservesInParallel, r"single queries"),
    "softmax over steps": (
        "normalizer",
        faults.SoftmaxOverSteps,
        r"weights at the first 3 steps change when there are 5",
    ),
    "weights that sum to two": ("normalizer", faults.Doubled, r"row 0's weights sum to 2 .* at step 0, not to 1"),
    "softmax of -inf": ("normalizer", faults.SoftmaxOfInfinity, r"row 2's .* not finite"),
    "dropout while evaluating": ("normalizer", faults.Noisy, r"weights differ the second time"),
    "padding leaks into the state": (
        "cell",
        partial(faults.PaddingInState, hidden_size=5),
        r"row 0's state change when padding grows from 0 to 1",
    ),
    "length 1 forgotten": (
        "cell",
        partial(faults.LengthOneForgotten, hidden_size=5),
        r"row 3's state differ between unroll and a loop of step",
    ),
    "unroll starts anew": (
        "cell",
        partial(faults.StartsAnew, hidden_size=5),
        r"differ when 7 positions are unrolled in two parts, after 3",
    ),
    "output of another state": ("cell", faults.OutputOfAnotherState, r"output\(state\) is not the last output"),
    "gates before the sigmoid": (
        "cell",
        partial(cell_faults.GatesBeforeSigmoid, hidden_size=5),
        r"the gate input leaves \[0, 1\]",
    ),
    "one dtype alone": (
        "cell",
        partial(cell_faults.OneDtypeAlone, hidden_size=5),
        r"it crashes in step, cell_faults\.py line \d+\nRuntimeError: expected dtype .*\nThe call checked: It works",
    ),
    "batch statistics in training": (
        "cell",
        partial(cell_faults.BatchStatistics, hidden_size=5),
        r"row 0's outputs change when the row is a batch of its own in training mode",
    ),
    "a running mean": ("embedding", cell_faults.RunningMean, r"use in training mode writes on self\.mean"),
    "dropout in unroll alone": (
        "cell",
        partial(cell_faults.DropsInUnroll, hidden_size=5),
        r"row 0's outputs differ between unroll and a loop of step in training mode",
    ),
    "a mean over padding in training": (
        "encoder",
        partial(cell_faults.PaddingInTraining, hidden_size=5),
        r"row 0's memory change when padding grows from 0 to 1 in training mode",
    ),
    "masked the other way": (
        "cell",
        partial(cell_faults.UpdateTheOtherWay, hidden_size=5),
        r"row 0's output differ between step and step_masked with ones",
    ),
    "a scan over padding": (
        "cell",
        partial(cell_faults.ScanOverPadding, hidden_size=5),
        r"row 0's state change when padding grows from 0 to 1",
    ),
    "a stack that shows its lowest layer": (
        "cell",
        cell_faults.OutputOfTheLowest,
        r"output\(state\) is not the last output",
    ),
    "masks while evaluating": ("cell", cell_faults.MasksWhileEvaluating, r"draws from torch's global generator"),
    "a convolution that leaks": (
        "encoder",
        partial(cell_faults.LeakingConv, hidden_size=5),
        r"row 0's memory change when padding grows from 0 to 1",
    ),
    "attention to padding": (
        "encoder",
        partial(cell_faults.LooksAtPadding, hidden_size=5),
        r"row 0's memory change when padding grows from 0 to 1",
    ),
    "a pyramid that drops the odd one": (
        "encoder",
        partial(cell_faults.DropsTheOddOne, cell=GRU),
        r"nothing in row 3's memory depends on source position 0",
    ),
    "backward not reversed": (
        "encoder",
        both_ways(faults.BackwardNotReversed),
        r"memory 3 does not depend on source position 3 in columns \[5, 6, 7, 8, 9\]",
    ),
    "reversed with its padding": (
        "encoder",
        both_ways(faults.ReversedWithPadding),
        r"row 0's memory change when padding grows from 0 to 1",
    ),
    "final of the last column": (
        "encoder",
        partial(faults.FinalOfTheLastColumn, cell=GRU),
        r"row 0's final\[0\] change when padding grows from 0 to 1",
    ),
    "unroll forgets the state": (
        "decoder",
        partial(faults.ForgetsState, cell=STAND_INS["cell"], readout=STAND_INS["readout"]),
        r"row 0's features differ between unroll and a loop of step",
    ),
    "centred over the batch": (
        "embedding",
        other_faults.Centred,
        r"row 0's vectors change when the row is a batch of its own",
    ),
    "positions in an embedding": ("embedding", other_faults.Positional, r"vector of '_' depends on its position"),
    "a mean of losses": ("loss", other_faults.MeanLoss, r"the sum of two batches joined is .*must add up"),
    "a loss of padding": ("loss", other_faults.LossOfPadding, r"the sum changes with numbers at padding"),
    "a loss of padding values": (
        "loss",
        other_faults.SquaresOfPadding,
        r"the sum changes with numbers at padding|only padding gives the sum",
    ),
    "a requirement that is none": ("loss", other_faults.ForNumbers, r"unknown 'symbol' \(did you mean 'symbols'\?\)"),
    "symbols under the name of values": (
        "embedding",
        other_faults.SaysContinuous,
        r"it accepts symbols, and requires is \['continuous'\]",
    ),
    "values in another precision": (
        "task",
        other_faults.InDoubles,
        r"source is torch\.float64 \[13, 6, 2\], but its vocabulary requires float32 vectors of size 2",
    ),
    "values read the other way": (
        "task",
        other_faults.ReadTheOtherWay,
        r"the source .* is encoded as",
    ),
    "values that are not fed back": (
        "search",
        other_faults.FedZeros,
        r"position 1 is not the model's output after its own vectors",
    ),
    "a loss over the width of the batch": (
        "loss",
        other_faults.OverTheWidth,
        r"the sum changes with more padding of the target",
    ),
    "an accuracy over the width of the batch": (
        "metric",
        other_faults.AccuracyOverTheWidth,
        r"sums change from .* with more padding of the target",
    ),
    "a mean of accuracies": ("metric", other_faults.MeanMetric, r"the sums of two batches add up to"),
    "weights at padding of the target": (
        "metric",
        other_faults.LooksFromPadding,
        r"with predictions or weights at padding",
    ),
    "padding of the source counted": ("metric", other_faults.CountsPaddingOfTheSource, r"more padding of the source"),
    "an alignment kept quiet": (
        "task",
        partial(other_faults.SaysNothingOfItsAlignment, length=5),
        r"has_alignment is False, and its batches have a gold alignment",
    ),
    "batches by call order": (
        "task",
        partial(other_faults.RunningGenerator, length=5),
        r"source differ the second time|batch 2 of seed 0 has another source after others were drawn",
    ),
    "validation by seed": (
        "task",
        partial(other_faults.SeededValidation, length=5),
        r"validation's source differs between seed 0 and seed 1",
    ),
    "one batch for all ranks": (
        "task",
        partial(other_faults.SameForEveryRank, length=5),
        r"batches do not differ between rank 0 and rank 1",
    ),
    "test batches that validation has seen": (
        "task",
        partial(other_faults.TestsOnValidation, length=5),
        r"first test batch is the first validation batch",
    ),
    "a short batch before the last": (
        "task",
        partial(other_faults.CountsWhatIsNotThere, length=5),
        r"batches of validation have the sizes \[12, 13\]",
    ),
    "a vocabulary that is not kept": (
        "task",
        partial(other_faults.ForgetsItsVocabulary, length=5),
        r"restored from its state, its source_vocabulary differs",
    ),
    "targets read backwards": (
        "task",
        partial(other_faults.ReadsTargetsBackwards, length=5),
        r"'[a-z ]+' is encoded and decoded as '[a-z ]+'",
    ),
    "alignment off by one": (
        "task",
        partial(other_faults.AlignedOffByOne, length=5),
        r"is beyond the real source positions",
    ),
    "a search that does not observe": (
        "search",
        other_faults.DoesNotObserve,
        r"a score is not the sum of its log-probabilities",
    ),
    "a search that goes on": ("search", other_faults.GoesOn, r"hypothesis \d+ continues after the end symbol"),
    "a symbol too many": ("search", other_faults.OneTooMany, r"returns 6 symbols for max_length 5"),
    "weights of another step": ("search", other_faults.WeightsShifted, r"weights are not those of the model"),
    "a schedule that counts": ("schedule", other_faults.Countdown, r"factors differ the second time"),
    "a kernel that forgets padding": ("kernel", other_faults.Leaky, r"with padding: \w+ are off by"),
    "a kernel that does nothing": ("kernel", other_faults.Lazy, r"leaves the call to the reference"),
    "a kernel that refuses": ("kernel", other_faults.Refusing, r"leaves the call to the reference: \['no'\]"),
    "a kernel that skips hooks": ("kernel", other_faults.Deaf, r"a hook on key_map runs 0 times, not 1"),
    "a kernel that ignores interventions": (
        "kernel",
        other_faults.Headstrong,
        r"features are not the reference's under an intervention",
    ),
    "a kernel that keeps a module": ("kernel", other_faults.Remembering, r"key_map replaced by Linear: \w+ are off by"),
    "a kernel that decays otherwise": ("kernel", other_faults.Decaying, r"weight_decay.*parameter \d is off by"),
    "a kernel that always clips": ("kernel", other_faults.Shortened, r"parameter \d is off by"),
    "a kernel that leaves gradients": ("kernel", other_faults.Forgetful, r"zero_grad leaves the gradients"),
    "a kernel with one rule for all groups": ("kernel", other_faults.OneRule, r"parameter 3 is off by"),
    "a kernel that writes in secret": ("kernel", other_faults.Secretive, r"autograd is not told that gradient 0"),
    "a kernel that runs no hooks": ("kernel", other_faults.Unheard, r"a hook of register_step_post_hook ran 0 times"),
    "uphill": ("optimizer", partial(other_faults.Uphill, lr=0.01), r"five steps do not reduce the loss"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_contract_suite_catches_and_names_the_fault(fault: str) -> None:
    kind, build, words = FAULTS[fault]
    with pytest.raises(ContractViolation, match=words) as caught:
        check(kind, build)
    assert str(caught.value).startswith(f"{kind} ")


def test_every_kind_has_a_seeded_fault() -> None:
    assert {kind for kind, _, _ in FAULTS.values()} == {*KINDS, "attention"} - {"readout", "verb"}


def test_violation_names_the_part() -> None:
    with pytest.raises(ContractViolation, match=r"^scorer foo: "):
        check_scorer(faults.KeysOnSelf, name="foo")
    with pytest.raises(AssertionError, match=r"^scorer KeysOnSelf: "):
        check_scorer(faults.KeysOnSelf)


def test_part_that_refuses_all_sizes() -> None:
    with pytest.raises(ContractViolation, match=r"PartError: it refuses all sizes: \(3, 5\): the inner"):
        check("scorer", Dot, sizes=(3, 5))
