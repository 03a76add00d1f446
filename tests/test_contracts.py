"""Every registered part keeps the contract of its kind."""

from functools import partial

import pytest
import torch

from seqtool.api import state_layout
from seqtool.nn.attention import Attention
from seqtool.registry import Registered, default_registry
from seqtool.registry.kinds import KINDS
from seqtool.testing import CONTRACTS, STAND_INS, check, example_options, variations
from seqtool.testing.contract import Contract

PARTS = default_registry().parts()
RULES = [
    pytest.param(part, rule, id=f"{part.kind}/{part.name}-{rule}")
    for part in PARTS
    for rule in CONTRACTS[part.kind].rules()
]


def ids(part: Registered) -> str:
    return f"{part.kind}/{part.name}"


def pairs(first: str, second: str) -> list[object]:
    parts = [default_registry().parts(kind) for kind in (first, second)]
    return [pytest.param(a, b, id=f"{a.name}-{b.name}") for a in parts[0] for b in parts[1]]


def pairs_with_heads() -> list[object]:
    """Each pair of scorer and normalizer once, with one head and with two in turn, so that each part meets both."""
    scorers, normalizers = (default_registry().parts(kind) for kind in ("scorer", "normalizer"))
    return [
        pytest.param(scorer, normalizer, heads, id=f"{scorer.name}-{normalizer.name}-{heads}")
        for i, scorer in enumerate(scorers)
        for j, normalizer in enumerate(normalizers)
        for heads in (1 + (i + j) % 2,)
    ]


def filled(part: Registered) -> partial[object]:
    """A slot filled with a part, as by a recipe."""
    cls = part.load()
    return partial(cls, **example_options(cls))


def test_every_kind_has_parts_and_a_contract() -> None:
    constructed = {name for name, kind in KINDS.items() if kind.constructed}
    assert {part.kind for part in PARTS} == constructed
    assert set(CONTRACTS) == {*constructed, "attention"}


def test_every_rule_has_a_description() -> None:
    for contract in CONTRACTS.values():
        for name, summary in contract.rules().items():
            assert summary.endswith((".", ":")), f"{contract.__name__}.{name}"


@pytest.mark.parametrize(("part", "rule"), RULES)
def test_part_keeps_rule(part: Registered, rule: str) -> None:
    if part.kind == "kernel" and "cpu" not in part.load().devices and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device; tests/test_triton_loops.py runs the kernels in Triton's interpreter")
    check(part.kind, filled(part), name=part.name, rules=[rule])


@pytest.mark.parametrize("part", PARTS, ids=ids)
@pytest.mark.filterwarnings("ignore:.* skipped:UserWarning")
def test_part_keeps_contract_with_other_options(part: Registered) -> None:
    cls = part.load()
    base = example_options(cls)

    def contract(options: dict[str, object], name: str = part.name) -> Contract:
        return CONTRACTS[part.kind](partial(cls, **options), name=name)

    for change in variations(cls, lambda options: contract(options).part()):
        contract(base | change, name=f"{part.name} with {change}").check()


@pytest.mark.parametrize("kind", STAND_INS)
def test_stand_ins_keep_the_contracts(kind: str) -> None:
    check(kind, STAND_INS[kind])


@pytest.mark.parametrize(("scorer", "normalizer", "heads"), pairs_with_heads())
@pytest.mark.filterwarnings("ignore:.*takes scores as logarithms")
def test_attention_of_any_scorer_and_normalizer(scorer: Registered, normalizer: Registered, heads: int) -> None:
    build = partial(Attention, scorer=filled(scorer), normalizer=filled(normalizer), heads=heads)
    check("attention", build, name=f"{scorer.name} + {normalizer.name}, {heads} heads")


@pytest.mark.parametrize(("encoder", "cell"), pairs("encoder", "cell"))
def test_encoder_with_any_cell(encoder: Registered, cell: Registered) -> None:
    cls = encoder.load()
    options = example_options(cls)
    if "cell" in options:
        check("encoder", partial(cls, **options | {"cell": filled(cell)}), name=f"{encoder.name} of {cell.name}")


@pytest.mark.parametrize(("decoder", "cell"), pairs("decoder", "cell"))
def test_decoder_with_any_cell(decoder: Registered, cell: Registered) -> None:
    cls = decoder.load()
    options = example_options(cls)
    if "cell" in options:
        build = partial(cls, **options | {"cell": filled(cell)})
        contract = CONTRACTS["decoder"](build, name=f"{decoder.name} of {cell.name}")
        finals = state_layout(filled(cell)(1)).sizes
        contract.all_sizes = [*contract.all_sizes, *((11, memory, finals, 17) for memory in (13, 31))]
        contract.check()


@pytest.mark.parametrize(("decoder", "scorer"), pairs("decoder", "scorer"))
def test_decoder_with_any_scorer(decoder: Registered, scorer: Registered) -> None:
    cls = decoder.load()
    options = example_options(cls)
    if "attention" in options:
        attention = partial(Attention, scorer=filled(scorer), normalizer=STAND_INS["normalizer"])
        build = partial(cls, **options | {"attention": attention})
        size = STAND_INS["cell"].output_size
        contract = CONTRACTS["decoder"](build, name=f"{decoder.name} with {scorer.name}")
        contract.all_sizes = [(width, size, (2, size), 17) for width in (11, size)]  # some scorers require equal sizes
        contract.check()
