"""All steps of a recurrent attention loop in one call of C, with its gradient; see csrc/attend.h."""

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqtool.api import Tree, tree
from seqtool_fused.embedding import EmbeddingLookup
from seqtool_fused.library import library
from seqtool_fused.loop_arguments import STATES, LoopArguments, LoopConfig
from seqtool_fused.operation import Operation, Tensors, gradient_copy, with_parameters


class LoopStart(NamedTuple):
    """The decoder's `fixed` and `state` at the start of the loop, for their structure."""

    fixed: Tree
    state: Tree


class AttentionLoop(Operation):
    """`unroll` of a decoder. Inputs: x or its table, values, keys (not for gmm), the first state, parameters."""

    def __init__(
        self,
        original: Callable[..., tuple[Tensor, Tensor | None, Tree]],
        module: Any,
        config: LoopConfig,
        mask: Tensor,
        start: LoopStart,
        inputs: Tensor,
        lookup: EmbeddingLookup | None,
    ) -> None:
        self.original, self.module, self.config = original, module, config
        self.mask, self.start = mask.contiguous(), start
        keys = () if "mean" in config.states else ("keys",)
        self.names = ("x", "values", *keys, *config.states, *config.parameters)
        self.gru = bool(config.sizes["gru"])
        self.lookup, self.inputs = lookup, inputs.detach() if lookup else None

    def forward(self, *inputs: Tensor) -> tuple[Tensors, Tensors]:
        """See `Operation.forward`."""
        named, size = self._read(inputs), self.config.sizes
        x, new = named["x"], named["x"].new_empty
        rows, steps, _ = x.shape
        size_h = size["H"]
        activations = {"z": new(steps + 1, rows, size_h + size["feed_size"]), "gates": new(steps, rows, 4 * size_h)}
        activations["query"] = new(steps, rows, -(-size["P"] // 16) * 16)
        if "c" in named:
            activations["c"] = new(steps + 1, rows, size_h)
        if "mean" in named:
            activations["mean"] = new(steps + 1, rows, size["K"], dtype=torch.float64)
        if "window" in named:
            activations["query_hidden"] = new(steps, rows, size["hidden"])
        if size["D"]:
            activations["joined"] = new(steps, rows, size["M"] + size_h)
        activations["weights"] = new(rows, steps, self.mask.shape[1])
        activations["features"] = new(rows, steps, size["F"])
        first = {f"first_{name}": named[name].contiguous() for name in self.config.states}
        last = {f"last_{name}": new(named[name].shape) for name in self.config.states}
        self._run(self._c_inputs(named) | first | last | activations)
        self.activation_names = tuple(activations)
        return (activations["features"], activations["weights"], *last.values()), tuple(activations.values())

    def backward(
        self, saved: Tensors, inputs: Tensors, grad_outputs: Sequence[Tensor | None], needed: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        """See `Operation.backward`."""
        named, want, size = self._read(inputs, backward=True), self._named(needed), self.config.sizes
        c_inputs, activations = self._c_inputs(named), dict(zip(self.activation_names, saved, strict=True))
        grad_features, grad_weights, *grad_states = grad_outputs
        grad_features = torch.zeros_like(activations["features"]) if grad_features is None else grad_features
        grad_features = grad_features if grad_features.stride(2) == 1 else grad_features.contiguous()
        pairs = zip(self.config.states, grad_states, strict=True)
        gradients = {name: gradient_copy(g, named[name]) for name, g in pairs}
        if want["x"] and not (self.lookup and self._x_only_fed()):
            gradients["x"] = torch.zeros_like(named["x"], memory_format=torch.contiguous_format)
        for name in ("values", "keys", *self.config.parameters):
            if name in named and not name.startswith("bias_") and (want[name] or name != "values"):
                gradients[name] = torch.empty_like(named[name], memory_format=torch.contiguous_format)
        gradients["gates"] = grad_features.new_empty(4 * size["H"])
        if self.lookup:
            gradients["projected"] = torch.empty_like(named["projected"])
        buffers = {f"grad_{name}": value for name, value in gradients.items()}
        buffers["grad_features"] = grad_features
        if grad_weights is not None:
            buffers["grad_weights"] = grad_weights.contiguous()
        strides = {"grad_features_row": grad_features.stride(0), "grad_features_step": grad_features.stride(1)}
        self._run(c_inputs | activations | buffers, backward=1, **strides)
        shift, count = (size["H"] if self.gru else 0), len(named["bias_hh"])
        # not views of one tensor: clipping writes to each gradient
        gradients |= {
            "bias_hh": gradients["gates"][:count].clone(),
            "bias_ih": gradients["gates"][shift : shift + count],
        }
        for name in ("weight_hh", "bias_hh"):
            gradients[name] = gradients[name].roll(-shift, 0) if shift else gradients[name]
        if self.lookup:
            grad_table, self._fed(gradients["weight_ih"])[:] = self.lookup.projection_gradients(
                self._fed(named["weight_ih"]), gradients["projected"]
            )
            if "x" in gradients and grad_table is not None:
                grad_table.index_add_(0, self.lookup.ids.flatten(), gradients["x"].flatten(0, 1))
            gradients["x"] = grad_table
        return tuple(gradients[name] if want[name] else None for name in self.names)

    def reference(self, *inputs: Tensor) -> Tensors:
        """See `Operation.reference`."""
        named = self._named(inputs)
        x = EmbeddingLookup(named["x"], self.lookup.ids).vectors() if self.lookup else named["x"]
        attention = self.start.fixed.attention._replace(values=named["values"])
        if "keys" in named:
            attention = attention._replace(scorers=(named["keys"],))
        fixed = self.start.fixed._replace(attention=attention)
        state = tree.rebuild(self.start.state, [named[name] for name in self.config.states])

        def use(module: Any) -> Tensors:
            features, weights, after = self.original(module, x, fixed, state)
            assert weights is not None
            return features, weights.squeeze(1), *tree.leaves(after)

        parameters = {path: named[name] for name, path in self.config.parameters.items()}
        return with_parameters(self.module, parameters, use)

    def _named(self, values: Iterable[Any]) -> dict[str, Any]:
        return dict(zip(self.names, values, strict=True))

    def _read(self, inputs: Tensors, backward: bool = False) -> dict[str, Tensor]:
        """The inputs by name; if x is looked up, also x itself and W x of each symbol."""
        named = self._named(inputs)
        if self.lookup and self.inputs is not None:
            fed = self._fed(named["weight_ih"])
            projected = self.lookup.projected_buffer(fed) if backward else self.lookup.project(fed)
            named |= {"x": self.inputs, "ids": self.lookup.ids, "projected": projected}
        return named

    def _fed(self, weight_ih: Tensor) -> Tensor:
        """The columns of `weight_ih` that x is multiplied by."""
        return weight_ih[:, self.config.sizes["feed_x"] :][:, : self.config.sizes["E"]]

    def _x_only_fed(self) -> bool:
        """Whether x is read by the cell only."""
        return self.config.sizes["query_x"] < 0 and self.config.sizes["features_x"] < 0

    def _c_inputs(self, named: dict[str, Tensor]) -> dict[str, Tensor]:
        """The inputs as C reads them."""
        c_inputs = {name: x.contiguous() for name, x in named.items() if name not in ("x", *STATES)}
        for name in ("weight_hh", "bias_hh"):
            c_inputs[name] = c_inputs[name].roll(self.config.sizes["H"], 0) if self.gru else c_inputs[name]
        x = named["x"]
        return c_inputs | {"x": x if x.stride(2) == 1 else x.contiguous(), "mask": self.mask}

    def _run(self, tensors: dict[str, Tensor], **sizes: int) -> None:
        x, mask = tensors["x"], tensors["mask"]
        sizes |= self.config.sizes | dict(zip("BTE", x.shape, strict=True))
        sizes |= {"S": mask.shape[1], "threads": torch.get_num_threads()}
        sizes |= {"x_row": x.stride(0), "x_step": x.stride(1), "mask_row": mask.stride(0)}
        sizes["symbols"] = len(tensors["projected"]) if self.lookup else 0
        pointers = {name: tensor.data_ptr() for name, tensor in tensors.items()}
        arguments = LoopArguments(**(sizes | pointers), scale=self.config.scale)
        if library().seqtool_attend(ctypes.byref(arguments)):
            raise MemoryError("the attention loop could not allocate memory")
