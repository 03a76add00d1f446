"""All steps of a recurrent attention loop as one call of C, with its gradient: sizes and pointers for csrc/attend.h."""

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqtool.api import Tree, tree
from seqtool_fused.calling import Numbers, Operation, own, with_parameters
from seqtool_fused.embedding import LookedUp
from seqtool_fused.layout import STATES, Layout, Shape
from seqtool_fused.library import library


class Start(NamedTuple):
    """The decoder's `fixed` and `state` at the start of a loop, whose structure its own method needs."""

    fixed: Tree
    state: Tree


class Attend(Operation):
    """`unroll` of a decoder, `own`. Inputs: x or its table, values, keys (not for gmm), the first state, parameters."""

    def __init__(
        self,
        own: Callable[..., tuple[Tensor, Tensor | None, Tree]],
        module: Any,
        shape: Shape,
        mask: Tensor,
        start: Start,
        inputs: Tensor,
        found: LookedUp | None,
    ) -> None:
        self.own, self.module, self.shape = own, module, shape
        self.mask, self.start = mask.contiguous(), start
        keys = () if "mean" in shape.states else ("keys",)
        self.names = ("x", "values", *keys, *shape.states, *shape.parameters)
        self.gru = bool(shape.sizes["gru"])
        self.found, self.inputs = found, inputs.detach() if found else None

    def forward(self, *inputs: Tensor) -> tuple[Numbers, Numbers]:
        """See `Operation.forward`."""
        named, size = self._read(inputs), self.shape.sizes
        x, new = named["x"], named["x"].new_empty
        rows, steps, _ = x.shape
        size_h = size["H"]
        kept = {"z": new(steps + 1, rows, size_h + size["feed_size"]), "gates": new(steps, rows, 4 * size_h)}
        kept["query"] = new(steps, rows, -(-size["P"] // 16) * 16)
        if "c" in named:
            kept["c"] = new(steps + 1, rows, size_h)
        if "mean" in named:
            kept["mean"] = new(steps + 1, rows, size["K"], dtype=torch.float64)
        if "window" in named:
            kept["asked"] = new(steps, rows, size["hidden"])
        if size["D"]:
            kept["joined"] = new(steps, rows, size["M"] + size_h)
        kept["weights"] = new(rows, steps, self.mask.shape[1])
        kept["features"] = new(rows, steps, size["F"])
        first = {f"first_{name}": named[name].contiguous() for name in self.shape.states}
        last = {f"last_{name}": new(named[name].shape) for name in self.shape.states}
        self._run(self._given(named) | first | last | kept)
        self.kept = tuple(kept)
        return (kept["features"], kept["weights"], *last.values()), tuple(kept.values())

    def backward(
        self, saved: Numbers, inputs: Numbers, of_outputs: Sequence[Tensor | None], wanted: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        named, want, size = self._read(inputs, back=True), self._named(wanted), self.shape.sizes
        given, kept = self._given(named), dict(zip(self.kept, saved, strict=True))
        of_features, of_weights, *of_states = of_outputs
        of_features = torch.zeros_like(kept["features"]) if of_features is None else of_features
        of_features = of_features if of_features.stride(2) == 1 else of_features.contiguous()
        pairs = zip(self.shape.states, of_states, strict=True)
        of = {name: own(g, named[name]) for name, g in pairs}
        if want["x"] and not (self.found and self._only_fed()):
            of["x"] = torch.zeros_like(named["x"], memory_format=torch.contiguous_format)
        for name in ("values", "keys", *self.shape.parameters):
            if name in named and not name.startswith("bias_") and (want[name] or name != "values"):
                of[name] = torch.empty_like(named[name], memory_format=torch.contiguous_format)
        of["gates"] = of_features.new_empty(4 * size["H"])
        if self.found:
            of["mapped"] = torch.empty_like(named["mapped"])
        found = {f"of_{name}": value for name, value in of.items()}
        found["of_features"] = of_features
        if of_weights is not None:
            found["of_weights"] = of_weights.contiguous()
        strides = {"of_features_row": of_features.stride(0), "of_features_step": of_features.stride(1)}
        self._run(given | kept | found, backward=1, **strides)
        shift, count = (size["H"] if self.gru else 0), len(named["bias_hh"])
        # not two views of the same numbers: whoever clips gradients writes to each
        of |= {"bias_hh": of["gates"][:count].clone(), "bias_ih": of["gates"][shift : shift + count]}
        for name in ("weight_hh", "bias_hh"):
            of[name] = of[name].roll(-shift, 0) if shift else of[name]
        if self.found:
            of_table, self._fed(of["weight_ih"])[:] = self.found.of_map(self._fed(named["weight_ih"]), of["mapped"])
            if "x" in of and of_table is not None:
                of_table.index_add_(0, self.found.ids.flatten(), of["x"].flatten(0, 1))
            of["x"] = of_table
        return tuple(of[name] if want[name] else None for name in self.names)

    def reference(self, *inputs: Tensor) -> Numbers:
        """See `Operation.reference`."""
        named = self._named(inputs)
        x = LookedUp(named["x"], self.found.ids).x() if self.found else named["x"]
        attention = self.start.fixed.attention._replace(values=named["values"])
        if "keys" in named:
            attention = attention._replace(scorers=(named["keys"],))
        fixed = self.start.fixed._replace(attention=attention)
        state = tree.rebuild(self.start.state, [named[name] for name in self.shape.states])

        def use(module: Any) -> Numbers:
            features, weights, after = self.own(module, x, fixed, state)
            assert weights is not None
            return features, weights.squeeze(1), *tree.leaves(after)

        parameters = {path: named[name] for name, path in self.shape.parameters.items()}
        return with_parameters(self.module, parameters, use)

    def _named(self, values: Iterable[Any]) -> dict[str, Any]:
        return dict(zip(self.names, values, strict=True))

    def _read(self, inputs: Numbers, back: bool = False) -> dict[str, Tensor]:
        """The inputs by their names; of x that is looked up, x itself and what C reads in its place."""
        named = self._named(inputs)
        if self.found and self.inputs is not None:
            fed = self._fed(named["weight_ih"])
            mapped = self.found.room(fed) if back else self.found.mapped(fed)
            named |= {"x": self.inputs, "ids": self.found.ids, "mapped": mapped}
        return named

    def _fed(self, weight_ih: Tensor) -> Tensor:
        """The columns that map x."""
        return weight_ih[:, self.shape.sizes["feed_x"] :][:, : self.shape.sizes["E"]]

    def _only_fed(self) -> bool:
        return self.shape.sizes["query_x"] < 0 and self.shape.sizes["features_x"] < 0

    def _given(self, named: dict[str, Tensor]) -> dict[str, Tensor]:
        """What C reads, as it wants it."""
        given = {name: x.contiguous() for name, x in named.items() if name not in ("x", *STATES)}
        for name in ("weight_hh", "bias_hh"):
            given[name] = given[name].roll(self.shape.sizes["H"], 0) if self.gru else given[name]
        x = named["x"]
        return given | {"x": x if x.stride(2) == 1 else x.contiguous(), "mask": self.mask}

    def _run(self, tensors: dict[str, Tensor], **more: int) -> None:
        x, mask = tensors["x"], tensors["mask"]
        sizes = dict(zip("BTE", x.shape, strict=True)) | {"S": mask.shape[1], "threads": torch.get_num_threads()}
        sizes |= {"x_row": x.stride(0), "x_step": x.stride(1), "mask_row": mask.stride(0)}
        sizes["symbols"] = len(tensors["mapped"]) if self.found else 0
        pointers = {name: tensor.data_ptr() for name, tensor in tensors.items()}
        layout = Layout(**(sizes | self.shape.sizes | more | pointers), scale=self.shape.scale)
        if library().seqtool_attend(ctypes.byref(layout)):
            raise MemoryError("no memory for all steps of a decoder")
