"""The public interface for plugins. Each name is imported on first access (PEP 562)."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqtool.cache import cache_folder, remove_leftovers
    from seqtool.errors import PartError, SeqtoolError
    from seqtool.nn.attention import Attention
    from seqtool.nn.bridge import Bridge, BridgeType
    from seqtool.nn.torch_lstm import torch_lstm
    from seqtool.parts import tree
    from seqtool.parts.batch import Batch
    from seqtool.parts.cell import Cell, StateLayout, stack_steps, state_layout
    from seqtool.parts.clipping import ClippingOptimizer
    from seqtool.parts.decoder import Decoder
    from seqtool.parts.embedding import Embedding
    from seqtool.parts.encoder import Encoder
    from seqtool.parts.example_task import Examples, ExampleTask, Ragged
    from seqtool.parts.kernel import Kernel, accelerated
    from seqtool.parts.loss import Loss
    from seqtool.parts.mask import known_full, last_real, lengths, reverse_real
    from seqtool.parts.metric import Metric
    from seqtool.parts.normalizer import Normalizer
    from seqtool.parts.readout import Readout
    from seqtool.parts.schedule import Schedule
    from seqtool.parts.scorer import Scorer
    from seqtool.parts.search import Hypotheses, Search, StepModel
    from seqtool.parts.task import Split, SyntheticTask, Task
    from seqtool.parts.torch_internals import has_step_hooks, own_modules, own_parameters
    from seqtool.parts.tree import Tree
    from seqtool.parts.types import Encoded, position_dtype
    from seqtool.parts.vocabulary import Continuous, Modality, Vocabulary
    from seqtool.registry.component import Component
    from seqtool.registry.hookspecs import API_VERSION, hookimpl
    from seqtool.registry.options import (
        Count,
        DataPath,
        Depth,
        Example,
        Factory,
        MinLen,
        NonNegative,
        Positive,
        Probability,
        Size,
        named,
    )
    from seqtool.registry.registry import part_name
    from seqtool.registry.requirement_names import REQUIREMENTS

_HOME = {
    "seqtool.cache": ("cache_folder", "remove_leftovers"),
    "seqtool.registry.component": ("Component",),
    "seqtool.errors": ("PartError", "SeqtoolError"),
    "seqtool.registry.hookspecs": ("API_VERSION", "hookimpl"),
    "seqtool.nn.attention": ("Attention",),
    "seqtool.registry.options": (
        "Count", "DataPath", "Depth", "Example", "Factory", "MinLen", "NonNegative", "Positive", "Probability", "Size",
        "named",
    ),
    "seqtool.registry.requirement_names": ("REQUIREMENTS",),
    "seqtool.registry.registry": ("part_name",),
    "seqtool.parts.batch": ("Batch",),
    "seqtool.nn.bridge": ("Bridge", "BridgeType"),
    "seqtool.nn.torch_lstm": ("torch_lstm",),
    "seqtool.parts.cell": ("Cell", "StateLayout", "stack_steps", "state_layout"),
    "seqtool.parts.clipping": ("ClippingOptimizer",),
    "seqtool.parts.decoder": ("Decoder",),
    "seqtool.parts.embedding": ("Embedding",),
    "seqtool.parts.encoder": ("Encoder",),
    "seqtool.parts.example_task": ("ExampleTask", "Examples", "Ragged"),
    "seqtool.parts.loss": ("Loss",),
    "seqtool.parts.mask": ("known_full", "last_real", "lengths", "reverse_real"),
    "seqtool.parts.metric": ("Metric",),
    "seqtool.parts.normalizer": ("Normalizer",),
    "seqtool.parts.readout": ("Readout",),
    "seqtool.parts.schedule": ("Schedule",),
    "seqtool.parts.scorer": ("Scorer",),
    "seqtool.parts.search": ("Hypotheses", "Search", "StepModel"),
    "seqtool.parts.task": ("Split", "SyntheticTask", "Task"),
    "seqtool.parts.torch_internals": ("has_step_hooks", "own_modules", "own_parameters"),
    "seqtool.parts.tree": ("Tree", "tree"),
    "seqtool.parts.kernel": ("Kernel", "accelerated"),
    "seqtool.parts.types": ("Encoded", "position_dtype"),
    "seqtool.parts.vocabulary": ("Continuous", "Modality", "Vocabulary"),
}  # fmt: skip
_MODULE = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'seqtool.api' has no attribute {name!r}")
    module = importlib.import_module(_MODULE[name])
    return module if name == "tree" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
