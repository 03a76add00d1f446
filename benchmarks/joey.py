"""Joey NMT (Kreutzer et al. 2019, arXiv 1907.12484), through its own `build_model`, `Model.forward` and `search`."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.racing import AbsentError
from benchmarks.shapes import Shape
from benchmarks.steps import batch, training_step

SPECIAL = 4
"""Number of special symbols (unknown, padding, beginning, end), which precede those of the task."""


def _built(shape: Shape) -> Any:
    """A bidirectional LSTM encoder, Bahdanau attention and an LSTM decoder with input feeding, all of the same size."""
    try:
        from joeynmt.model import build_model
        from joeynmt.vocabulary import Vocabulary
    except ImportError as error:
        raise AbsentError(f"Joey NMT is not installed ({error.name})") from error
    names = SimpleNamespace(
        unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>", sep_token=None, lang_tags=[],
        unk_id=0, pad_id=1, bos_id=2, eos_id=3, sep_id=None,
    )  # fmt: skip
    vocabulary = Vocabulary([str(symbol) for symbol in range(shape.symbols + 1)], names)
    part = {"rnn_type": "lstm", "hidden_size": shape.hidden, "embeddings": {"embedding_dim": shape.hidden}}
    config = {
        "encoder": {"type": "recurrent", "bidirectional": True, **part},
        "decoder": {
            "type": "recurrent",
            "attention": "bahdanau",
            "input_feeding": True,
            "init_hidden": "bridge",
            **part,
        },
    }
    torch.manual_seed(0)
    return build_model(config, vocabulary, vocabulary)


def training(shape: Shape) -> Callable[[], None]:
    """A training step on the same batch as seqtool."""
    model, data = _built(shape), batch(shape)
    model.loss_function = ("crossentropy", 0.0)
    target = data.target + SPECIAL
    inputs = {
        "src": data.source + SPECIAL,
        "src_length": data.source_mask.sum(1),
        "src_mask": data.source_mask.unsqueeze(1),
        "trg_input": nn.functional.pad(target[:, :-1], (1, 0), value=model.bos_index),
        "trg": target,
        "trg_mask": data.target_mask.unsqueeze(1),
    }

    def loss() -> Tensor:
        total: Tensor = model(return_type="loss", **inputs)[0]
        return total / target.numel()

    return training_step(model, loss, torch.optim.Adam(model.parameters()))


def decoding(shape: Shape, beam: int) -> Callable[[], None]:
    """Greedy or beam search for a batch. No hypothesis may end early, so that all have the same length."""
    model, data = _built(shape), batch(shape)
    from joeynmt.search import search

    model.eval()
    model.loss_function = ("crossentropy", 0.0)
    request = SimpleNamespace(
        src=data.source + SPECIAL, src_length=data.source_mask.sum(1), src_mask=data.source_mask.unsqueeze(1),
        src_prompt_mask=None, trg_input=None, trg_prompt_mask=None, has_trg=False,
    )  # fmt: skip

    def step() -> None:
        with torch.inference_mode():
            search(
                model=model, batch=request, max_output_length=shape.target, beam_size=beam, beam_alpha=-1,
                min_output_length=shape.target, return_prob="none",
            )  # fmt: skip

    return step
