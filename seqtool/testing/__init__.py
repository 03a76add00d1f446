"""The contract suite, for authors of plugins and for the built-in parts.

    from seqtool.testing import check_scorer

    def test_my_scorer() -> None:
        check_scorer(lambda query_size, memory_size: MyScorer(query_size, memory_size, hidden_size=7))

Each `check_*` takes a callable that builds the part from the sizes of its kind. It raises a `ContractViolation` that
describes the broken rule. `CONTRACTS[kind].rules()` lists the rules of a kind.
"""

from collections.abc import Callable, Iterable
from typing import Any

from seqtool.testing.attention import AttentionContract, check_attention
from seqtool.testing.cell import CellContract, check_cell
from seqtool.testing.contract import Contract, ContractViolation
from seqtool.testing.decoder import DecoderContract, check_decoder
from seqtool.testing.device import check_on_device
from seqtool.testing.embedding import EmbeddingContract, check_embedding
from seqtool.testing.encoder import EncoderContract, check_encoder
from seqtool.testing.example_options import EXAMPLE_SIZES, example_options, variations
from seqtool.testing.kernel import KernelContract, check_kernel
from seqtool.testing.loss import LossContract, check_loss
from seqtool.testing.metric import MetricContract, check_metric
from seqtool.testing.normalizer import NormalizerContract, check_normalizer
from seqtool.testing.optimizer import OptimizerContract, check_optimizer
from seqtool.testing.readout import ReadoutContract, check_readout
from seqtool.testing.schedule import ScheduleContract, check_schedule
from seqtool.testing.scorer import ScorerContract, check_scorer
from seqtool.testing.search import SearchContract, check_search
from seqtool.testing.stand_ins import STAND_INS
from seqtool.testing.task import TaskContract, check_task
from seqtool.testing.verb import check_verb

__all__ = [
    "CONTRACTS",
    "EXAMPLE_SIZES",
    "STAND_INS",
    "Contract",
    "ContractViolation",
    "check",
    "check_attention",
    "check_cell",
    "check_decoder",
    "check_embedding",
    "check_encoder",
    "check_kernel",
    "check_loss",
    "check_metric",
    "check_normalizer",
    "check_on_device",
    "check_optimizer",
    "check_readout",
    "check_schedule",
    "check_scorer",
    "check_search",
    "check_task",
    "check_verb",
    "example_options",
    "variations",
]

CONTRACTS: dict[str, type[Contract]] = {
    contract.kind: contract
    for contract in (
        AttentionContract,
        CellContract,
        DecoderContract,
        EmbeddingContract,
        EncoderContract,
        LossContract,
        MetricContract,
        NormalizerContract,
        OptimizerContract,
        ReadoutContract,
        ScheduleContract,
        ScorerContract,
        SearchContract,
        TaskContract,
        KernelContract,
    )
}
"""The contract of each kind, and of "attention"."""


def check(
    kind: str,
    build: Callable[..., Any],
    *,
    name: str = "",
    sizes: tuple[Any, ...] | None = None,
    rules: Iterable[str] = (),
) -> None:
    """Check a part of any kind against its contract.

    Args:
        kind: "scorer", "cell", ..., or "attention".
        build: takes the sizes of the kind, and returns the part.
        name: name of the part in messages; default: the name of its class.
        sizes: sizes to build with; default: those of the contract.
        rules: names of rules to check; default: all.

    Raises:
        ContractViolation: the first broken rule.
    """
    CONTRACTS[kind](build, name=name, sizes=sizes).check(rules)
