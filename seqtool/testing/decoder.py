"""The contract of a decoder, as rules."""

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import torch

from seqtool.parts import tree
from seqtool.parts.decoder import Decoder
from seqtool.parts.tree import Tree
from seqtool.parts.types import Encoded
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, named, structure
from seqtool.testing.example_options import EXAMPLE_SIZES
from seqtool.testing.gradients import GradientContract, Run
from seqtool.testing.module_contract import BATCH, STEPS
from seqtool.testing.stand_ins import FINAL_SIZES

INPUT, MEMORY, OUTPUT = 11, 13, 17
CELL = EXAMPLE_SIZES[0]
FINALS: tuple[tuple[int, ...], ...] = ((19, 23), (), FINAL_SIZES, (CELL,), (CELL, CELL))


class DecoderContract(GradientContract):
    """`build(input_size, memory_size, final_sizes, output_size)` makes the decoder.

    Finals of several sizes, and none, are tried until none of them is refused by a `PartError`.
    """

    kind = "decoder"
    all_sizes = tuple((INPUT, memory, final, OUTPUT) for memory, final in itertools.product((MEMORY, CELL), FINALS))
    source_axes: ClassVar[dict[str, int]] = {"memory": 1, "mask": 1, "source": 1}

    def inputs(self, part: Decoder, batch_size: int, source_length: int, steps: int) -> Outputs:
        """See `ModuleContract.inputs`."""
        input_size, memory_size, final_sizes, output_size = self.sizes
        shape = (batch_size, source_length)
        return {
            "inputs": self.randn(batch_size, steps, input_size),
            "memory": self.randn(*shape, memory_size),
            "mask": self.mask(*shape),
            "source": torch.randint(-1, output_size, shape, generator=self.generator),
            **{f"final[{i}]": self.randn(batch_size, size) for i, size in enumerate(final_sizes)},
        }

    def run(self, part: Decoder, inputs: Outputs) -> Outputs:
        """`start`, `unroll`, `readout`."""
        return decoded(part, inputs, part.unroll)

    def ways(self) -> list[Run]:
        """All at once, and step by step."""
        return [self.run, lambda decoder, given: decoded(decoder, given, _loop(decoder))]

    def shapes_of(self, part: Decoder, batch_size: int, source_length: int, steps: int) -> dict[str, tuple[int, ...]]:
        """See `ModuleContract.shapes_of`; leaves of the state may grow."""
        weights = {"weights": (batch_size, part.num_heads, steps, source_length)} if part.num_heads else {}
        return {
            "features": (batch_size, steps, part.feature_size),
            "logits": (batch_size, steps, self.sizes[3]),
            **weights,
        }

    @rule
    def rows_of_tensors(self) -> None:
        """`fixed` and `state` are trees of tensors `[B, ...]`: a search repeats and selects their rows."""
        part = self.part()
        inputs = self.draw(part)
        fixed, state = started(part, inputs)
        once, _, after = part.step(inputs["inputs"][:, 0], fixed, state)
        for name, tensors in (("fixed", fixed), ("state", state), ("state", after)):
            for path, x in named(tensors, name).items():
                self.expect(x.shape[:1] == (BATCH,), f"{path} has the shape {list(x.shape)}, not [B, ...]")
        same = structure(state) == structure(after)
        self.expect(same, f"a step turns the state {structure(state)} into {structure(after)}")
        repeated = part.step(inputs["inputs"][:, 0].repeat_interleave(2, 0), *tree.repeat_rows((fixed, state), 2))[0]
        self.expect_equal(
            {"features": once.repeat_interleave(2, 0)},
            {"features": repeated},
            lambda name, row, values: (
                f"row {row // 2}'s {name} change when each row stands twice in the state: {values}"
            ),
        )

    @rule
    def weights_as_declared(self) -> None:
        """A step's weights are `[B, N, S]`, zero at padding, and None where `num_heads` is 0."""
        part = self.part()
        inputs = self.draw(part)
        _, weights, _ = part.step(inputs["inputs"][:, 0], *started(part, inputs))
        if weights is None or not part.num_heads:
            none = "None" if weights is None else f"weights {list(weights.shape)}"
            agree = weights is None and not part.num_heads
            self.expect(agree, f"a step gives {none}, and num_heads is {part.num_heads}")
            return
        wanted = (BATCH, part.num_heads, inputs["mask"].shape[1])
        self.expect(weights.shape == wanted, f"a step's weights are {list(weights.shape)}, not {list(wanted)}")
        self.expect(not weights.movedim(2, 1)[~inputs["mask"]].any(), "weights at padding are not zero")

    @rule
    def unroll_is_steps(self) -> None:
        """`unroll` equals the loop of `step`: features, weights, states, logits and gradients."""
        part = self.part()
        inputs = self.draw(part)
        loop = self.with_gradients(part, inputs, lambda decoder, given: decoded(decoder, given, _loop(decoder)))
        self.expect_equal(
            self.with_gradients(part, inputs, self.run),
            loop,
            lambda name, row, values: f"row {row}'s {name} differ between unroll and a loop of step: {values}",
            tolerance=1e-6,
        )

    @rule
    def unroll_continues(self) -> None:
        """`unroll` goes on from the state that it is given: two parts make the whole."""
        part = self.part()
        inputs = self.draw(part)
        fixed, state = started(part, inputs)
        first, _, state = part.unroll(inputs["inputs"][:, :1], fixed, state)
        second, _, _ = part.unroll(inputs["inputs"][:, 1:], fixed, state)
        self.expect_equal(
            {"features": self.run(part, inputs)["features"]},
            {"features": torch.cat([first, second], 1)},
            lambda name, row, values: (
                f"row {row}'s {name} differ when {STEPS} steps are unrolled as one and the rest: {values}"
            ),
        )

    @rule
    def observes_by_value(self) -> None:
        """`observe` keeps the structure of the state, and treats each row by itself."""
        part = self.part()
        inputs = self.draw(part)
        fixed, state = started(part, inputs)
        _, _, state = part.step(inputs["inputs"][:, 0], fixed, state)
        ids = torch.arange(BATCH) % self.sizes[3]
        after = part.observe(ids, fixed, state)
        same = structure(state) == structure(after)
        self.expect(same, f"observe turns the state {structure(state)} into {structure(after)}")
        backwards = torch.arange(BATCH - 1, -1, -1)
        others = part.observe(ids[backwards], *tree.select_rows((fixed, state), backwards))
        self.expect_equal(
            named(tree.select_rows(after, backwards), "state"),
            named(others, "state"),
            lambda name, row, values: f"row {row}'s {name} after observe depends on the order of the rows: {values}",
        )

    @rule
    def sees_the_source(self) -> None:
        """What it writes depends on the source: on the memory, on the final states, or on what is copied."""
        part = self.part()
        if "copy_map" in part.requires:
            return  # held by copies_as_declared, whatever the scorer looks at
        inputs = self.draw(part)
        found = self.with_gradients(part, inputs, lambda p, given: {"logits": self.run(p, given)["logits"]})
        names = [f"gradients of {name}" for name in inputs if name == "memory" or name.startswith("final")]
        self.expect(any(bool(found[name].any()) for name in names), "its logits do not depend on the source")

    @rule
    def copies_as_declared(self) -> None:
        """Logits depend on the source's own symbols if a "copy_map" is required, and are log-probabilities then."""
        part = self.part()
        inputs = self.draw(part)
        logits = self.run(part, inputs)["logits"]
        others = self.run(part, inputs | {"source": (inputs["source"] + 2) % self.sizes[3]})["logits"]
        depends = not torch.equal(logits, others)
        does, requires = "depend" if depends else "do not depend", "copy_map" in part.requires
        named = f"requires is {sorted(part.requires)}"
        self.expect(depends == requires, f"logits {does} on what the source is copied as, and {named}")
        if requires:
            total = logits.detach()[inputs["mask"].any(1)].exp().sum(2)
            off = float((total - 1).abs().max())
            self.expect(off < 1e-6, f"its logits are not log-probabilities: a row sums to one only within {off:.3g}")


def started(part: Decoder, inputs: Outputs) -> tuple[Tree, Tree]:
    """`start` with what an encoder would hand over."""
    final = tuple(x for name, x in inputs.items() if name.startswith("final"))
    return part.start(Encoded(inputs["memory"], inputs["mask"], final))


def decoded(part: Decoder, inputs: Outputs, unroll: Callable[..., Any]) -> Outputs:
    """What a teacher-forced pass gives."""
    features, weights, state = unroll(inputs["inputs"], *started(part, inputs))
    outputs = {"features": features, "logits": part.readout(features, weights, inputs["source"])}
    if weights is not None:
        outputs["weights"] = weights
    return outputs | named(state, "state")


def _loop(part: Decoder) -> Callable[..., Any]:
    """The inherited `unroll`, whatever the decoder overrides it with."""
    return lambda inputs, fixed, state: Decoder.unroll(part, inputs, fixed, state)


def check_decoder(
    build: Callable[..., Decoder],
    *,
    name: str = "",
    sizes: tuple[int, int, tuple[int, ...], int] | None = None,
) -> None:
    """Hold a decoder against its contract. `build(input_size, memory_size, final_sizes, output_size)` makes it.

    Raises:
        ContractViolation: what is wrong, in words.
    """
    DecoderContract(build, name=name, sizes=sizes).check()
