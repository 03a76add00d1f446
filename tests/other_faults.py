"""Embeddings, losses, metrics, tasks, searches, schedules and optimizers with one seeded fault each."""

from typing import Any, ClassVar

import torch
from continuous_tasks import Halves
from torch import Tensor, nn

from seqtool.api import (
    Batch,
    Embedding,
    Hypotheses,
    Schedule,
    SyntheticTask,
    Vocabulary,
)
from seqtool_fused.attend import AttendBeforeKernel
from seqtool_fused.keys import AdditiveKeysKernel
from seqtool_fused.lstm import LSTMKernel
from seqtool_fused.optimizer import AdamKernel, ClipKernel, ZeroGradKernel
from seqtool_search.beam import Beam
from seqtool_search.greedy import Greedy
from seqtool_tasks.copy import Copy
from seqtool_training.attention_metrics import AttentionCoverage, AttentionSharpness
from seqtool_training.losses import MSE, CrossEntropy
from seqtool_training.metrics import TokenAccuracy


class Centred(nn.Embedding, Embedding):
    output_size = 5

    def __init__(self, vocabulary: Any) -> None:
        super().__init__(len(vocabulary), 5)

    def forward(self, ids: Tensor) -> Tensor:
        vectors = super().forward(ids)
        return vectors - vectors.mean(0, keepdim=True)


class Positional(Centred):
    def forward(self, ids: Tensor) -> Tensor:
        return nn.Embedding.forward(self, ids) + torch.arange(ids.shape[1])[:, None] / 10


class MeanLoss(CrossEntropy):
    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        total, count = super().forward(logits, weights, batch)
        return total / count.clamp(min=1), count


class LossOfPadding(CrossEntropy):
    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        everywhere = torch.ones_like(batch.target_mask)
        total, _ = super().forward(
            logits,
            weights,
            Batch(batch.source, batch.source_mask, batch.target, everywhere, batch.alignment),
        )
        return total, batch.target_mask.sum()


class SquaresOfPadding(MSE):
    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        return ((logits - batch.target.to(logits.dtype)) ** 2).mean(2).sum(), batch.target_mask.sum()


class OverTheWidth(CrossEntropy):
    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        total, count = super().forward(logits, weights, batch)
        return total / batch.target.shape[1], count


class ForNumbers(CrossEntropy):
    requires = frozenset({"symbol"})


class SaysContinuous(Centred):
    requires = frozenset({"continuous"})

    def forward(self, ids: Tensor) -> Tensor:
        return nn.Embedding.forward(self, ids)


class MeanMetric(TokenAccuracy):
    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        right, total = super().sums(predicted, batch)
        return torch.stack([right / total.clamp(min=1), torch.ones_like(total)])


class AccuracyOverTheWidth(TokenAccuracy):
    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        right, total = super().sums(predicted, batch)
        return torch.stack([right, torch.full_like(total, batch.target.numel())])


class LooksFromPadding(AttentionSharpness):
    def values(self, weights: Tensor, total: Tensor, attends: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        return weights.amax(3), torch.ones_like(attends)


class CountsPaddingOfTheSource(AttentionCoverage):
    def values(self, weights: Tensor, total: Tensor, attends: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        covered, _ = super().values(weights, total, attends, memory_mask)
        return covered, torch.ones_like(covered, dtype=torch.bool)


class SaysNothingOfItsAlignment(Copy):
    has_alignment = False


class RunningGenerator(Copy):
    def __init__(self, *, length: int) -> None:
        super().__init__(length=length)
        self.generator = torch.Generator().manual_seed(0)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        return super().draw(batch_size, self.generator)


class SeededValidation(Copy):
    def batch(self, split: Any, k: int, *, seed: int, rank: int, **options: Any) -> Batch:
        return SyntheticTask.batch(self, split, k + 100 * seed, seed=seed, rank=rank, **options)


class SameForEveryRank(Copy):
    def batch(self, split: Any, k: int, *, seed: int, rank: int, **options: Any) -> Batch:
        return SyntheticTask.batch(self, split, k, seed=seed, rank=0, **options)


class TestsOnValidation(Copy):
    def batch(self, split: Any, k: int, **options: Any) -> Batch:
        return super().batch("valid" if split == "test" else split, k, **options)


class CountsWhatIsNotThere(Copy):
    def num_batches(self, split: Any, batch_size: int) -> int | None:
        return 2 if split == "valid" else None

    def batch(self, split: Any, k: int, *, batch_size: int, **options: Any) -> Batch:
        short = split == "valid" and k == 0
        return super().batch(split, k, batch_size=batch_size - short, **options)


class ForgetsItsVocabulary(Copy):
    def prepare(self, saved: Any = None) -> None:
        if saved is None:
            self.source_vocabulary = Vocabulary(tuple("zyxwvuts"))


class ReadsTargetsBackwards(Copy):
    def encode_target(self, text: str) -> tuple[int, ...]:
        return super().encode_target(text)[::-1]


class AlignedOffByOne(Copy):
    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        batch = super().draw(batch_size, generator)
        shifted = torch.where(batch.target_mask, batch.alignment + 1, -1)
        return Batch(batch.source, batch.source_mask, batch.target, batch.target_mask, shifted)


class InDoubles(Halves):
    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        batch = super().draw(batch_size, generator)
        return Batch(batch.source.double(), batch.source_mask, batch.target, batch.target_mask, batch.alignment)


class ReadTheOtherWay(Halves):
    def encode_source(self, text: str) -> tuple[Any, ...]:
        return tuple(vector[::-1] for vector in super().encode_source(text))


class FedZeros(Greedy):
    def search(self, model: Any, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        return super().search(_Forgetful(model), source, source_mask, max_length)


class _Forgetful:
    def __init__(self, model: Any) -> None:
        self.model, self.start, self.target_vocabulary = model, model.start, model.target_vocabulary
        self.observe = model.observe

    def step(self, ids: Tensor, *tensors: Any) -> Any:
        return self.model.step(ids * 0 if ids.is_floating_point() else ids, *tensors)


class GoesOn(Greedy):
    def search(self, model: Any, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        open_model = _Endless(model)
        return super().search(open_model, source, source_mask, max_length)


class _Endless:
    def __init__(self, model: Any) -> None:
        vocabulary = model.target_vocabulary
        self.start, self.step, self.observe = model.start, model.step, model.observe
        self.target_vocabulary = type(vocabulary)(vocabulary.symbols, start=vocabulary.start)


class DoesNotObserve(Beam):
    def search(self, model: Any, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        return super().search(_Unobserving(model), source, source_mask, max_length)


class _Unobserving:
    def __init__(self, model: Any) -> None:
        self.start, self.step, self.target_vocabulary = model.start, model.step, model.target_vocabulary

    def observe(self, ids: Tensor, fixed: Any, state: Any) -> Any:
        return state


class OneTooMany(Greedy):
    def search(self, model: Any, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        return super().search(model, source, source_mask, max_length + 1)


class WeightsShifted(Greedy):
    def search(self, model: Any, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        found = super().search(model, source, source_mask, max_length)
        return found if found.weights is None else found._replace(weights=found.weights.roll(1, 3))


class Countdown(Schedule):
    def __init__(self, steps: int) -> None:
        self.left = steps

    def factor(self, step: int) -> float:
        self.left -= 1
        return max(0.0, float(self.left))


class Uphill(torch.optim.SGD):
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.neg_()
        super().step(closure)


class Leaky(LSTMKernel):
    """Does not freeze the state at padding."""

    def __call__(self, module: Any, x: Tensor, mask: Tensor, *rest: Any) -> Any:
        return super().__call__(module, x, torch.ones_like(mask), *rest)


class Lazy(LSTMKernel):
    """Claims to serve a part but does not."""

    def __call__(self, module: Any, *arguments: Any) -> Any:
        return self.reference(module, *arguments)


class Refusing(LSTMKernel):
    """Claims to serve a part but refuses every call."""

    def verify(self, part: Any, *arguments: Any, **named: Any) -> str | None:
        return "no"


class Deaf(AdditiveKeysKernel):
    """Computes although a module that it skips has a hook."""

    def skipped_modules(self, part: Any) -> tuple[()]:
        return ()


class Headstrong(AttendBeforeKernel):
    """Computes although an intervention replaces attention weights."""

    examples = AttendBeforeKernel.examples[1:2]

    def verify(self, part: Any, inputs: Tensor, fixed: Any, state: Any) -> str | None:
        before, part.attention.intervention = part.attention.intervention, None
        reason = super().verify(part, inputs, fixed, state)
        part.attention.intervention = before
        return reason


class Remembering(AdditiveKeysKernel):
    """Uses the projection that the part had at the first call."""

    maps: ClassVar[dict[Any, Any]] = {}

    def key_map(self, module: Any) -> Any:
        return self.maps.setdefault(module, module.key_map)


class Decaying(AdamKernel):
    """Uses decoupled weight decay with every optimizer."""

    def __call__(self, module: Any, closure: Any = None) -> Any:
        for group in module.param_groups:
            group["decoupled_weight_decay"] = True
        return super().__call__(module, closure)


class Shortened(ClipKernel):
    """Also scales gradients below the limit."""

    def __call__(self, module: Any, limit: float) -> None:
        gradients = [p.grad for group in module.param_groups for p in group["params"] if p.grad is not None]
        length = float(torch.cat([of.flatten() for of in gradients]).norm())
        for of in gradients:
            of.mul_(limit / length)


class Unheard(AdamKernel):
    """Does not run hooks."""

    def verify(self, part: Any, closure: Any = None) -> str | None:
        hooks, part._optimizer_step_post_hooks = part._optimizer_step_post_hooks, {}
        reason = super().verify(part, closure)
        part._optimizer_step_post_hooks = hooks
        return reason


class Forgetful(ZeroGradKernel):
    """Does not clear the gradients of the previous step."""

    def __call__(self, module: Any, set_to_none: bool = True) -> None:
        pass


class OneRule(AdamKernel):
    """Uses the learning rate of the first group for every group."""

    def __call__(self, module: Any, closure: Any = None) -> Any:
        rates = [group["lr"] for group in module.param_groups]
        for group in module.param_groups:
            group["lr"] = rates[0]
        result = super().__call__(module, closure)
        for group, rate in zip(module.param_groups, rates, strict=True):
            group["lr"] = rate
        return result


class Secretive(ClipKernel):
    """Writes to gradients without reporting it to autograd."""

    def __call__(self, module: Any, limit: float) -> None:
        gradients = [p.grad for group in module.param_groups for p in group["params"] if p.grad is not None]
        length = float(torch.cat([of.flatten() for of in gradients]).double().norm())
        for of in gradients:
            of.data.mul_(min(1.0, limit / (length + 1e-6)))
