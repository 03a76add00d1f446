"""The contract of a whole model, for kernels of its methods."""

from typing import Any, ClassVar

import torch

from seqtool.build.assembly import make
from seqtool.nn.model import Seq2Seq
from seqtool.parts import tree
from seqtool.parts.vocabulary import Vocabulary
from seqtool.testing.differences import Outputs, named_leaves
from seqtool.testing.gradients import GradientContract

SYMBOLS = Vocabulary(("a", "b"), start=1)
"""So few that each symbol occurs several times in a batch."""
CELL = {"type": "lstm", "hidden_size": 5}
EXAMPLE: dict[str, dict[str, Any]] = {
    "embedding": {"type": "learned", "embedding_size": 3},
    "encoder": {"type": "rnn", "cell": CELL},
    "decoder": {"type": "plain", "cell": CELL, "bridge": "linear"},
}


def example_model(**options: dict[str, Any]) -> Seq2Seq:
    """A model of `embedding`, `encoder` and `decoder`, with options as in a recipe; default: `EXAMPLE`."""
    given = {kind: dict(part) for kind, part in (EXAMPLE | options).items()}

    def build(kind: str, *sizes: Any) -> Any:
        other = dict(given[kind])
        return make(f"{kind}/{other.pop('type')}", *sizes, **other)

    source, target = build("embedding", SYMBOLS), build("embedding", SYMBOLS)
    encoder = build("encoder", source.output_size)
    sizes = (target.output_size, encoder.memory_size, encoder.final_sizes, SYMBOLS.num_outputs)
    return Seq2Seq(source, target, encoder, build("decoder", *sizes), SYMBOLS)


class ModelContract(GradientContract):
    """`build()` returns the model, whose vocabulary is `SYMBOLS`."""

    kind = "model"
    source_axes: ClassVar[dict[str, int]] = {"source": 1, "mask": 1}
    step_axes: ClassVar[dict[str, int]] = {"target": 1}

    def inputs(self, part: Seq2Seq, batch_size: int, source_length: int, steps: int) -> Outputs:
        """See `ModuleContract.inputs`."""
        source, target = (
            torch.randint(0, len(SYMBOLS), (batch_size, length), generator=self.generator)
            for length in (source_length, steps)
        )
        return {"source": source, "mask": self.mask(batch_size, source_length), "target": target}

    def run(self, part: Seq2Seq, inputs: Outputs) -> Outputs:
        """`encode` and `decode`."""
        encoded = part.encode(inputs["source"], inputs["mask"])
        features, weights, state = part.decode(inputs["target"], *part.decoder.start(encoded))
        final = {f"final[{i}]": x for i, x in enumerate(tree.vectors(encoded.final))}
        seen = {} if weights is None else {"weights": weights}
        return {"memory": encoded.memory, **final, "features": features, **seen, **named_leaves(state, "state")}

    def shapes_of(self, part: Seq2Seq, batch_size: int, source_length: int, steps: int) -> dict[str, tuple[int, ...]]:
        """See `ModuleContract.shapes_of`."""
        return {"features": (batch_size, steps, part.decoder.feature_size)}
