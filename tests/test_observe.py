"""Training and searches call `Decoder.observe`, tested with a decoder whose next step depends on the symbols."""

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import seqtool
from seqtool.api import Batch, Continuous, Decoder, Encoded, Hypotheses, Vocabulary
from seqtool.nn.feeding import Feeding
from seqtool.nn.model import Seq2Seq
from seqtool.testing import STAND_INS
from seqtool.testing.stand_ins import StandInContinuousEmbedding, StandInEncoder
from seqtool_decoders.pointer_generator import PointerGenerator

SYMBOLS = Vocabulary(("a", "b", "c", "</s>", "<s>"), start=4, end=3)
OUTPUTS, ROWS, SOURCE, LENGTH = 4, 7, 5, 6


class Total(NamedTuple):
    total: Tensor  # [B]
    row: Tensor  # [B]


class Summing(Decoder):
    """The score of symbol v is 2 cos((n + r) (v + 1)), n' = 3 n + (the symbol) + 1; r depends on the source."""

    feature_size = OUTPUTS

    def __init__(self, output_size: int = OUTPUTS) -> None:
        super().__init__()
        self.output_size = output_size
        self.readout_layer = nn.Identity()

    def start(self, encoded: Encoded) -> tuple[tuple[()], Total]:
        row = encoded.memory[:, 0, 0]
        return (), Total(torch.zeros_like(row), row)

    def step(self, inputs: Tensor, fixed: tuple[()], state: Total) -> tuple[Tensor, None, Total]:
        index = torch.arange(1, self.output_size + 1, dtype=inputs.dtype)
        return 2 * torch.cos((state.total + state.row)[:, None] * index), None, state

    def observe(self, ids: Tensor, fixed: tuple[()], state: Total) -> Total:
        written = ids if ids.dim() == 1 else ids.sum(1)
        return state._replace(total=3 * state.total + written + 1)


def scores(written: list[float], row: float, count: int = OUTPUTS) -> list[float]:
    """The decoder's definition for symbols generated so far."""
    total = 0.0
    for symbol in written:
        total = 3 * total + symbol + 1
    return [2 * math.cos((total + row) * (v + 1)) for v in range(count)]


def log_p(written: list[float], row: float) -> list[float]:
    found = scores(written, row)
    whole = math.log(sum(math.exp(x) for x in found))
    return [x - whole for x in found]


def made(target: Vocabulary = SYMBOLS, decoder: Decoder | None = None) -> Seq2Seq:
    torch.manual_seed(0)
    embedding = StandInContinuousEmbedding if isinstance(target, Continuous) else STAND_INS["embedding"]
    model = Seq2Seq(
        STAND_INS["embedding"](SYMBOLS), embedding(target), StandInEncoder(11), decoder or Summing(target.num_outputs),
        target,
    )  # fmt: skip
    return model.double().eval()


def source() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(3, (ROWS, SOURCE), generator=generator), torch.ones(ROWS, SOURCE, dtype=torch.bool)


def rows_of(model: Seq2Seq) -> list[float]:
    """The number of each row's source."""
    return model.start(*source())[1].row.tolist()


def batch() -> Batch:
    target = torch.randint(OUTPUTS, (ROWS, LENGTH), generator=torch.Generator().manual_seed(1))
    return Batch(*source(), target, torch.ones(ROWS, LENGTH, dtype=torch.bool), torch.full((ROWS, LENGTH), -1))


def expect_logits(found: Tensor, row: int, step: int, written: list[float], number: float) -> None:
    wanted = torch.tensor(scores(written, number, found.shape[2]), dtype=torch.float64)
    torch.testing.assert_close(found[row, step].detach(), wanted)


def test_teacher_forcing_reports_gold_symbols() -> None:
    model, given = made(), batch()
    assert model.decoder.observes
    before = torch.get_rng_state()
    logits, _ = model(given)
    assert torch.equal(before, torch.get_rng_state())
    for row, number in enumerate(rows_of(model)):
        for step in range(LENGTH):
            expect_logits(logits, row, step, given.target[row, :step].tolist(), number)


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_scheduled_sampling_reports_what_is_fed(probability: float) -> None:
    model, given = made(), batch()
    torch.manual_seed(0)
    logits, _ = model(given, Feeding(probability))
    torch.manual_seed(0)
    taught = torch.rand(ROWS, LENGTH) < probability
    for row, number in enumerate(rows_of(model)):
        fed: list[float] = []
        for step in range(LENGTH):
            if step:
                best = int(logits[row, step - 1].argmax())
                fed.append(int(given.target[row, step - 1]) if taught[row, step] else best)
            expect_logits(logits, row, step, fed, number)


def written(found: Hypotheses, row: int, beam: int) -> list[int]:
    return found.ids[row, beam][found.mask[row, beam]].tolist()


def test_greedy_search_reports_the_most_probable_symbol() -> None:
    model = made()
    found = seqtool.make("search/greedy").search(model, *source(), LENGTH)
    ends = set()
    for row, number in enumerate(rows_of(model)):
        symbols: list[int] = []
        while len(symbols) < LENGTH and SYMBOLS.end not in symbols:
            symbols.append(max(range(OUTPUTS), key=log_p(symbols, number).__getitem__))
        assert written(found, row, 0) == symbols
        ends.add(len(symbols))
    assert len(ends) > 1


@pytest.mark.parametrize(
    ("search", "options"), [("beam", {"size": 4, "best": 3}), ("sample", {"samples": 3, "seed": 5})]
)
def test_other_searches_report_the_symbols_of_each_hypothesis(search: str, options: dict[str, int]) -> None:
    model = made()
    found = seqtool.make(f"search/{search}", **options).search(model, *source(), LENGTH)
    for row, number in enumerate(rows_of(model)):
        for beam in range(3):
            symbols = written(found, row, beam)
            wanted = sum(log_p(symbols[:place], number)[symbol] for place, symbol in enumerate(symbols))
            assert found.scores[row, beam].item() == pytest.approx(wanted, abs=1e-6)


def test_continuous_predictions_are_reported() -> None:
    model = made(Continuous(size=2))
    found = seqtool.make("search/greedy").search(model, *source(), LENGTH)
    for row, number in enumerate(rows_of(model)):
        values: list[float] = []
        for step in range(LENGTH):
            expect_logits(found.ids[:, 0], row, step, values, number)
            values.append(found.ids[row, 0, step].sum().item())


def test_a_decoder_that_does_not_override_observe_takes_all_steps_in_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = StandInEncoder(11)
    decoder = STAND_INS["decoder"](11, encoder.memory_size, encoder.final_sizes, OUTPUTS)
    model, unrolled = made(decoder=decoder), []
    own = decoder.unroll
    monkeypatch.setattr(decoder, "unroll", lambda *given: (unrolled.append(1), own(*given))[1])
    model(batch())
    assert unrolled == [1]
    assert not decoder.observes


def test_a_wrapper_passes_symbols_on() -> None:
    inner = seqtool.testing.stand_ins.ObservingDecoder
    torch.manual_seed(0)
    wrapped = PointerGenerator(11, 29, (2, 29), OUTPUTS, decoder=inner)
    assert wrapped.observes
    assert not PointerGenerator(11, 29, (2, 29), OUTPUTS, decoder=STAND_INS["decoder"]).observes
    memory, mask = torch.randn(2, 3, 29), torch.ones(2, 3, dtype=torch.bool)
    fixed, state = wrapped.start(Encoded(memory, mask, (torch.randn(2, 2), torch.randn(2, 29))))
    found = wrapped.observe(torch.tensor([0, 1]), fixed, state)
    torch.testing.assert_close(found.cell.trace, state.cell.trace * torch.tensor([[1.0], [-1.0]]))
