"""The same models in plain PyTorch, with a loop over target steps and no optimizations."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.racing import AbsentError
from benchmarks.shapes import Shape
from benchmarks.steps import CPU, batch, training_step
from seqtool.parts.batch import Batch


class Gmm(nn.Module):
    """An LSTM with a window of three Gaussians over one-hot symbols (Graves 2013, arXiv 1308.0850)."""

    def __init__(self, symbols: int, hidden: int) -> None:
        super().__init__()
        self.symbols, self.hidden = symbols, hidden
        self.cell = nn.LSTMCell(2 * symbols, hidden)
        self.window = nn.Linear(symbols + hidden, 9)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, source: Tensor, gold: Tensor) -> Tensor:
        """`source [B, S, F]`, `gold [B, T, F]`, the previous target symbols -> logits `[B, T, V]`."""
        size, steps = source.shape[:2]
        h = c = source.new_zeros(size, self.hidden)
        kappa = source.new_zeros(size, 3)
        positions, logits = torch.arange(steps, device=source.device), []
        for symbol in gold.unbind(1):
            alpha, beta, delta = self.window(torch.cat([h, symbol], 1)).exp().chunk(3, 1)
            kappa = kappa + delta
            bumps = alpha[..., None] * (-beta[..., None] * (kappa[..., None] - positions) ** 2).exp()
            context = (bumps.sum(1)[:, None] @ source).squeeze(1)
            h, c = self.cell(torch.cat([symbol, context], 1), (h, c))
            logits.append(self.out(h))
        return torch.stack(logits, 1)


class Additive(nn.Module):
    """A bidirectional LSTM, additive attention, an LSTM (Bahdanau et al. 2015, arXiv 1409.0473)."""

    def __init__(self, symbols: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.source_embedding, self.target_embedding = (
            nn.Embedding(symbols + 1, hidden),
            nn.Embedding(symbols + 1, hidden),
        )
        self.encoder = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        self.keys, self.query = nn.Linear(2 * hidden, hidden, bias=False), nn.Linear(hidden, hidden)
        self.energy = nn.Linear(hidden, 1, bias=False)
        self.cell = nn.LSTMCell(3 * hidden, hidden)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, source: Tensor, gold: Tensor) -> Tensor:
        """`source [B, S]`, `gold [B, T]` -> logits `[B, T, V]`."""
        memory, _ = self.encoder(self.source_embedding(source))
        keys = self.keys(memory)
        h = c = memory.new_zeros(len(source), self.hidden)
        logits = []
        for symbol in self.target_embedding(gold).unbind(1):
            scores = self.energy((self.query(h)[:, None] + keys).tanh()).squeeze(2)
            context = (scores.softmax(1)[:, None] @ memory).squeeze(1)
            h, c = self.cell(torch.cat([symbol, context], 1), (h, c))
            logits.append(self.out(h))
        return torch.stack(logits, 1)


class InputFeeding(nn.Module):
    """A bidirectional LSTM, and an LSTM decoder with input feeding (Luong et al. 2015, arXiv 1508.04025).

    Additive attention and a linear bridge, as in Joey NMT (Kreutzer et al. 2019, arXiv 1907.12484).
    """

    def __init__(self, symbols: int, hidden: int) -> None:
        super().__init__()
        self.source_embedding, self.target_embedding = (
            nn.Embedding(symbols + 1, hidden),
            nn.Embedding(symbols + 1, hidden),
        )
        self.encoder = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.keys, self.query = nn.Linear(2 * hidden, hidden, bias=False), nn.Linear(hidden, hidden)
        self.energy = nn.Linear(hidden, 1, bias=False)
        self.cell = nn.LSTMCell(2 * hidden, hidden)
        self.combine = nn.Linear(3 * hidden, hidden)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, source: Tensor, gold: Tensor) -> Tensor:
        """`source [B, S]`, `gold [B, T]` -> logits `[B, T, V]`."""
        memory, (last, _) = self.encoder(self.source_embedding(source))
        keys = self.keys(memory)
        h = c = self.bridge(torch.cat([last[0], last[1]], 1)).tanh()
        vector = torch.zeros_like(h)
        vectors = []
        for symbol in self.target_embedding(gold).unbind(1):
            h, c = self.cell(torch.cat([symbol, vector], 1), (h, c))
            scores = self.energy((self.query(h)[:, None] + keys).tanh()).squeeze(2)
            context = (scores.softmax(1)[:, None] @ memory).squeeze(1)
            vector = self.combine(torch.cat([h, context], 1)).tanh()
            vectors.append(vector)
        logits: Tensor = self.out(torch.stack(vectors, 1))
        return logits


class Transformer(nn.Module):
    """torch's transformer encoder, an LSTM over all target steps, then additive attention."""

    def __init__(self, symbols: int, hidden: int) -> None:
        super().__init__()
        self.source_embedding, self.target_embedding = (
            nn.Embedding(symbols + 1, hidden),
            nn.Embedding(symbols + 1, hidden),
        )
        layer = nn.TransformerEncoderLayer(hidden, 4, 4 * hidden, 0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(hidden), enable_nested_tensor=False)
        self.decoder = nn.LSTM(hidden, hidden, batch_first=True)
        self.keys, self.query = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden)
        self.energy = nn.Linear(hidden, 1, bias=False)
        self.combine = nn.Linear(2 * hidden, hidden, bias=False)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, source: Tensor, gold: Tensor) -> Tensor:
        """`source [B, S]`, `gold [B, T]` -> logits `[B, T, V]`."""
        x = self.source_embedding(source)
        frequency = torch.arange(x.shape[2], device=x.device) / x.shape[2]
        angle = torch.arange(x.shape[1], device=x.device)[:, None] / 10000**frequency
        memory = self.encoder(x + angle.sin())
        outputs, _ = self.decoder(self.target_embedding(gold))
        scores = self.energy((self.query(outputs)[:, :, None] + self.keys(memory)[:, None]).tanh()).squeeze(3)
        vectors = self.combine(torch.cat([scores.softmax(2) @ memory, outputs], 2)).tanh()
        logits: Tensor = self.out(vectors)
        return logits


class EncoderDecoder(nn.Module):
    """Two `nn.LSTM`; the second starts from the first's final state (Sutskever et al. 2014, arXiv 1409.3215)."""

    def __init__(self, symbols: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.LSTM(symbols, hidden, batch_first=True)
        self.decoder = nn.LSTM(symbols, hidden, batch_first=True)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, source: Tensor, gold: Tensor) -> Tensor:
        """`source [B, S, F]`, `gold [B, T, F]` -> logits `[B, T, V]`."""
        _, state = self.encoder(source)
        outputs, _ = self.decoder(gold, state)
        logits: Tensor = self.out(outputs)
        return logits


MODELS: dict[str, type[nn.Module]] = {
    "gmm": Gmm,
    "attend_before": Additive,
    "input_feeding": InputFeeding,
    "plain": EncoderDecoder,
    "transformer": Transformer,
}
ONE_HOT = ("gmm", "plain")
"""The families whose inputs are one-hot vectors instead of ids."""


def training(
    family: str, shape: Shape, *, compiled: bool = False, mode: str | None = None, device: torch.device = CPU
) -> Callable[[], None]:
    """A training step of the plain model on the same batch as seqtool; `mode` is passed to torch.compile."""
    data = batch(shape, device)
    torch.manual_seed(0)
    model: nn.Module = MODELS[family](shape.symbols, shape.hidden).to(device)
    source, gold = inputs(data, shape.symbols, one_hot=family in ONE_HOT)
    function = torch.compile(model, mode=mode) if compiled else model

    def loss() -> Tensor:
        logits = function(source, gold)
        return nn.functional.cross_entropy(logits.flatten(0, 1), data.target.flatten())

    step = training_step(model, loss, torch.optim.Adam(model.parameters()))
    if compiled:
        try:
            step()
        except Exception as error:  # any compiler error: the contestant is absent
            raise AbsentError(f"torch.compile failed: {type(error).__name__}") from error
    return step


def inputs(data: Batch, symbols: int, *, one_hot: bool) -> tuple[Tensor, Tensor]:
    """The source, and the target shifted by one: ids, or one-hot vectors with a zero vector at the start."""
    gold = nn.functional.pad(data.target[:, :-1], (1, 0), value=symbols)
    if not one_hot:
        return data.source, gold
    source = nn.functional.one_hot(data.source, symbols + 1)[..., :symbols].float()
    return source, nn.functional.one_hot(gold, symbols + 1)[..., :symbols].float()
