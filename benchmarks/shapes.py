"""The sizes of benchmarks, and their recipes."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from seqtool.recipe import Variant, load_recipe

MODELS = {
    "gmm": """
  embedding: one_hot
  encoder: identity
  decoder:
    type: attend_before
    cell: {{type: {cell}, hidden_size: {hidden}}}
    query: [output, input]
    attention: {{scorer: {{type: gmm, components: 3}}, normalizer: exp}}""",
    "plain": """
  embedding: one_hot
  encoder: {{type: rnn, cell: {{type: {cell}, hidden_size: {hidden}}}}}
  decoder: {{type: plain, cell: {{type: {cell}, hidden_size: {hidden}}}}}""",
    "attend_before": """
  embedding: {{type: learned, embedding_size: {hidden}}}
  encoder: {{type: rnn, bidirectional: true, cell: {{type: {cell}, hidden_size: {hidden}}}}}
  decoder:
    type: attend_before
    cell: {{type: {cell}, hidden_size: {hidden}}}
    attention: {{scorer: {scorer}, normalizer: softmax}}""",
    "input_feeding": """
  embedding: {{type: learned, embedding_size: {hidden}}}
  encoder: {{type: rnn, bidirectional: true, cell: {{type: {cell}, hidden_size: {hidden}}}}}
  decoder:
    type: attend_after
    cell: {{type: {cell}, hidden_size: {hidden}}}
    attention: {{scorer: {scorer}, normalizer: softmax}}
    attentional_size: {hidden}
    input_feeding: true
    bridge: linear""",
    "attend_after": """
  embedding: {{type: learned, embedding_size: {hidden}}}
  encoder: {{type: rnn, bidirectional: true, cell: {{type: {cell}, hidden_size: {hidden}}}}}
  decoder:
    type: attend_after
    cell: {{type: {cell}, hidden_size: {hidden}}}
    attention: {{scorer: {scorer}, normalizer: softmax}}
    attentional_size: {hidden}
    bridge: linear""",
    "transformer": """
  embedding: {{type: learned, embedding_size: {hidden}}}
  encoder: {{type: transformer, hidden_size: {hidden}, heads: 4}}
  decoder:
    type: attend_after
    cell: {{type: {cell}, hidden_size: {hidden}}}
    attention: {{scorer: {scorer}, normalizer: softmax}}
    attentional_size: {hidden}""",
}
"""Decoder families by name; `gmm` and `plain` are those of the recipe align_60_20."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a benchmark: units of each cell, source and target lengths, examples in a batch, symbols."""

    hidden: int = 32
    source: int = 60
    target: int = 20
    batch: int = 64
    symbols: int = 4

    def __str__(self) -> str:
        return f"H {self.hidden}, S {self.source}, T {self.target}"


def variant(
    family: str, shape: Shape, *, cell: str = "lstm", scorer: str = "additive", engine: str = "auto", steps: int = 1
) -> Variant:
    """The alignment task and that model, as a recipe's only variant."""
    model = MODELS[family].format(cell=cell, scorer=scorer, hidden=shape.hidden)
    text = (
        f"seqtool: 1\nname: benchmark\n"
        f"task: {{type: alignment, source_length: {shape.source}, target_length: {shape.target}, "
        f"symbols: {shape.symbols}}}\nmodel:{model}\n"
        f"train: {{steps: {steps}, validate_every: {steps}, batch_size: {shape.batch}, clip_norm: 1.0, "
        f"optimizer: {{type: adam, lr: 1e-3}}}}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.yaml"
        path.write_text(text, encoding="utf-8")
        return next(iter(load_recipe(path, overrides=[f"train.engine={engine}"]).variants.values()))
