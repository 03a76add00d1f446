"""The contract of an embedding."""

from collections.abc import Callable

import torch

from seqtool.parts.embedding import Embedding
from seqtool.parts.vocabulary import Continuous, Vocabulary
from seqtool.testing.contract import modalities, rule
from seqtool.testing.differences import Outputs
from seqtool.testing.gradients import GradientContract

VOCABULARY = Vocabulary(("_", "a", "b", "c", "d", "</s>", "<s>"), blank=0, start=6, end=5)
CONTINUOUS = Continuous(size=3)


class EmbeddingContract(GradientContract):
    """`build(vocabulary)` returns the embedding; for a continuous side, `build(continuous)`."""

    kind = "embedding"
    all_sizes = ((VOCABULARY,), (CONTINUOUS,))

    def inputs(self, part: Embedding, batch_size: int, source_length: int, steps: int) -> Outputs:
        """See `ModuleContract.inputs`; every id occurs."""
        if self.sizes[0].modality == "continuous":
            return {"values": self.randn(batch_size, source_length, self.sizes[0].size)}
        size = len(self.sizes[0])
        ids = torch.arange(batch_size * source_length) * (size + 1) // size % size
        return {"ids": ids.reshape(batch_size, source_length)}

    def run(self, part: Embedding, inputs: Outputs) -> Outputs:
        """`forward`."""
        return {"vectors": part(*inputs.values())}

    def shapes_of(self, part: Embedding, batch_size: int, source_length: int, steps: int) -> dict[str, tuple[int, ...]]:
        """See `ModuleContract.shapes_of`."""
        return {"vectors": (batch_size, source_length, part.output_size)}

    @rule
    def modality_as_declared(self) -> None:
        """It requires "symbols" if it embeds only symbols, and "continuous" if it embeds only continuous values."""
        part, given = self.part(), self.sizes[0].modality
        self.expect(given in modalities(part), f"it accepts {given}, and requires is {sorted(part.requires)}")

    @rule
    def position_independent(self) -> None:
        """The vector of a symbol does not depend on its position: decoding embeds one symbol at a time."""
        part = self.part()
        if self.sizes[0].modality == "continuous":
            values = self.draw(part)["values"]
            alone = part(values.flatten(0, 1).unsqueeze(1))
            same = torch.isclose(alone, part(values).flatten(0, 1).unsqueeze(1)).all()
            self.expect(bool(same), "a vector depends on its position or on other positions")
            return
        ids = self.draw(part)["ids"]
        together = part(ids)
        for symbol, name in enumerate(self.sizes[0].symbols):
            alone = part(torch.tensor([[symbol]]))[0, 0]
            same = torch.isclose(together[ids == symbol], alone).all()
            self.expect(bool(same), f"the vector of {name!r} depends on its position or on other positions")


def check_embedding(build: Callable[..., Embedding], *, name: str = "", sizes: tuple[Vocabulary] | None = None) -> None:
    """Check an embedding against its contract. `build(vocabulary)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    EmbeddingContract(build, name=name, sizes=sizes).check()
