"""The contract of a decoder."""

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn

from seqtool.parts import tree
from seqtool.parts.decoder import Decoder
from seqtool.parts.tree import Tree
from seqtool.parts.types import Encoded
from seqtool.testing.contract import rule
from seqtool.testing.differences import Outputs, named_leaves, structure
from seqtool.testing.example_options import EXAMPLE_SIZES
from seqtool.testing.gradients import GradientContract
from seqtool.testing.module_contract import BATCH, STEPS, Run
from seqtool.testing.stand_ins import FINAL_SIZES

INPUT, MEMORY, OUTPUT = 11, 13, 17
CELL = EXAMPLE_SIZES[0]
FINALS: tuple[tuple[int, ...], ...] = ((19, 23), (), FINAL_SIZES, (CELL,), (CELL, CELL))


class DecoderContract(GradientContract):
    """`build(input_size, memory_size, final_sizes, output_size)` returns the decoder.

    Several final sizes, and none, are tried until the decoder accepts them.
    """

    kind = "decoder"
    all_sizes = tuple((INPUT, memory, final, OUTPUT) for memory, final in itertools.product((MEMORY, CELL), FINALS))
    source_axes: ClassVar[dict[str, int]] = {"memory": 1, "mask": 1, "source": 1}
    step_axes: ClassVar[dict[str, int]] = {"inputs": 1}

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

    def runs(self) -> list[Run]:
        """`unroll`, and a loop of `step`."""
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
    def batched_trees(self) -> None:
        """`fixed` and `state` are trees of tensors `[B, ...]`, whose rows a search repeats and selects."""
        part = self.part()
        inputs = self.draw(part)
        fixed, state = started(part, inputs)
        once, _, after = part.step(inputs["inputs"][:, 0], fixed, state)
        for name, tensors in (("fixed", fixed), ("state", state), ("state", after)):
            for path, x in named_leaves(tensors, name).items():
                self.expect(x.shape[:1] == (BATCH,), f"{path} has the shape {list(x.shape)}, not [B, ...]")
        same = structure(state) == structure(after)
        self.expect(same, f"a step turns the state {structure(state)} into {structure(after)}")
        repeated = part.step(inputs["inputs"][:, 0].repeat_interleave(2, 0), *tree.repeat_rows((fixed, state), 2))[0]
        self.expect_equal(
            {"features": once.repeat_interleave(2, 0)},
            {"features": repeated},
            lambda name, row, values: (
                f"row {row // 2}'s {name} change when each row of the state is repeated: {values}"
            ),
        )

    @rule
    def weights_as_declared(self) -> None:
        """The weights of a step are `[B, N, S]`, zero at padding, and None if `num_heads` is 0."""
        part = self.part()
        inputs = self.draw(part)
        _, weights, _ = part.step(inputs["inputs"][:, 0], *started(part, inputs))
        if weights is None or not part.num_heads:
            none = "None" if weights is None else f"weights {list(weights.shape)}"
            agree = weights is None and not part.num_heads
            self.expect(agree, f"a step returns {none}, and num_heads is {part.num_heads}")
            return
        wanted = (BATCH, part.num_heads, inputs["mask"].shape[1])
        self.expect(weights.shape == wanted, f"a step's weights are {list(weights.shape)}, not {list(wanted)}")
        self.expect(not weights.movedim(2, 1)[~inputs["mask"]].any(), "weights at padding are not zero")

    @rule
    def unroll_is_steps(self) -> None:
        """`unroll` equals a loop of `step` in features, weights, states, logits and gradients."""
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
        """`unroll` starts from the given state: two parts of a sequence give the same as the whole."""
        part = self.part()
        inputs = self.draw(part)
        fixed, state = started(part, inputs)
        first, _, state = part.unroll(inputs["inputs"][:, :1], fixed, state)
        second, _, _ = part.unroll(inputs["inputs"][:, 1:], fixed, state)
        self.expect_equal(
            {"features": self.run(part, inputs)["features"]},
            {"features": torch.cat([first, second], 1)},
            lambda name, row, values: (
                f"row {row}'s {name} differ when {STEPS} steps are unrolled in two parts, after 1: {values}"
            ),
        )

    @rule
    def observe_row_by_row(self) -> None:
        """`observe` keeps the structure of the state and treats each row independently."""
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
            named_leaves(tree.select_rows(after, backwards), "state"),
            named_leaves(others, "state"),
            lambda name, row, values: f"row {row}'s {name} after observe depends on the order of the rows: {values}",
        )

    @rule
    def depends_on_source(self) -> None:
        """Its logits depend on the source: on the memory, on the final states, or on the copied symbols."""
        part = self.part()
        if "copy_map" in part.requires:
            return  # checked by copies_as_declared
        inputs = self.draw(part)
        found = self.with_gradients(part, inputs, lambda p, given: {"logits": self.run(p, given)["logits"]})
        names = [f"gradients of {name}" for name in inputs if name == "memory" or name.startswith("final")]
        self.expect(any(bool(found[name].any()) for name in names), "its logits do not depend on the source")

    @rule
    def copies_as_declared(self) -> None:
        """Logits depend on the source symbols if and only if it requires "copy_map", and are then log-probabilities."""
        part = self.part()
        inputs = self.draw(part)
        logits = self.run(part, inputs)["logits"]
        others = self.run(part, inputs | {"source": (inputs["source"] + 2) % self.sizes[3]})["logits"]
        depends = not torch.equal(logits, others)
        does, requires = "depend" if depends else "do not depend", "copy_map" in part.requires
        declared = f"requires is {sorted(part.requires)}"
        self.expect(depends == requires, f"logits {does} on the copied source symbols, and {declared}")
        if requires:
            total = logits.detach()[inputs["mask"].any(1)].exp().sum(2)
            off = float((total - 1).abs().max())
            self.expect(
                off < 1e-6,
                f"its logits are not log-probabilities: the probabilities of a row sum to one only within {off:.3g}",
            )


def started(part: Decoder, inputs: Outputs) -> tuple[Tree, Tree]:
    """`start` with the inputs as an encoder's outputs."""
    final = tuple(x for name, x in inputs.items() if name.startswith("final"))
    return part.start(Encoded(inputs["memory"], inputs["mask"], final))


def decoded(part: Decoder, inputs: Outputs, unroll: Callable[..., Any]) -> Outputs:
    """The outputs of a teacher-forced pass."""
    features, weights, state = unroll(inputs["inputs"], *started(part, inputs))
    outputs = {"features": features, "logits": part.readout(features, weights, inputs["source"])}
    if weights is not None:
        outputs["weights"] = weights
    return outputs | named_leaves(state, "state")


def _loop(part: Decoder) -> Callable[..., Any]:
    """The inherited `unroll`, a loop of `step`."""
    return lambda inputs, fixed, state: Decoder.unroll(part, inputs, fixed, state)


def shrink_parameters(part: nn.Module) -> None:
    """Scale the parameters by 0.3: with large ones, rounding errors grow from step to step."""
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.mul_(0.3)


def check_decoder(
    build: Callable[..., Decoder],
    *,
    name: str = "",
    sizes: tuple[int, int, tuple[int, ...], int] | None = None,
) -> None:
    """Check a decoder against its contract. `build(input_size, memory_size, final_sizes, output_size)` returns it.

    Raises:
        ContractViolation: the first broken rule.
    """
    DecoderContract(build, name=name, sizes=sizes).check()
