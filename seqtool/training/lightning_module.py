"""An assembly as a Lightning module."""

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from seqtool.build.assembly import Assembly
from seqtool.nn.accepted_targets import accepted_targets, nearest_targets, replace_targets
from seqtool.nn.feeding import TEACHER_FORCING, Feeding, greedy_prediction
from seqtool.nn.memory_recording import record_memory_masks
from seqtool.parts.batch import Batch
from seqtool.parts.clipping import ClippingOptimizer
from seqtool.randomness import derive
from seqtool.training.data import Carrier
from seqtool.training.graphs import GraphedStep
from seqtool.training.lightning_internals import LeanModule
from seqtool.training.lightning_overhead import signature_kept
from seqtool.training.snapshots import Glimpse, glimpse


class SequenceModule(LeanModule):
    """Trains and validates an assembly. What it measures stays on the device until the recorder fetches it.

    Attributes:
        step_sums: for each step since the recorder last looked, over all ranks: the summed loss, the number of real
            tokens, how many of them were right (0 for values: no symbol is).
        symbols: whether targets are symbols, and not values.
        valid_values: the last validation's figures by column name.
        glimpse: where the last validation looked in its first examples; None for a decoder without attention.
        graphs: replays training steps; None where each kernel is launched.
    """

    def __init__(self, assembly: Assembly) -> None:
        super().__init__()
        self.assembly = assembly
        self.model = assembly.model
        self.loss = assembly.loss
        self.metrics = assembly.metrics
        self.symbols = assembly.task.target_vocabulary.modality == "symbols"
        self.options = assembly.options
        self.seed = assembly.options.seed
        self.step_sums: list[tuple[Tensor, ...]] = []
        self.valid_values: dict[str, float] = {}
        self.glimpse: Glimpse | None = None
        self.graphs: GraphedStep | None = None
        self._valid_losses: list[tuple[Tensor, Tensor]] = []
        self._valid_sums: dict[str, Tensor] = {}

    @signature_kept
    def training_step(self, carrier: Carrier, batch_idx: int) -> Tensor | None:
        """The loss, summed over all ranks' tokens and divided by their number.

        None for a replayed step, which contains the backward pass and the optimizer's step.
        """
        trainer, batch = self.trainer, carrier.batch
        seed_device(self.device, derive(self.seed, self.global_rank, trainer.global_step, "model"))
        if self._replays():
            assert self.graphs is not None
            self.step_sums.append(self.graphs(batch).unbind())
            return None
        total, sums = self._sums(batch, self.assembly.feeding(trainer.global_step))
        mean: Tensor = total / sums[1].clamp(min=1)
        if trainer.world_size > 1:
            joined = torch.stack([one.float() for one in sums])
            sums = tuple(trainer.strategy.reduce(joined, reduce_op="sum"))
            # DDP takes the mean of the ranks' gradients; ours is their sum over the common count
            mean = total * (trainer.world_size / sums[1].clamp(min=1)).to(total.dtype)
        self.step_sums.append(sums)
        return mean

    def objective(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """`(mean loss, [summed loss, real tokens, right tokens])` of one process, by teacher forcing."""
        total, sums = self._sums(batch, TEACHER_FORCING)
        return total / sums[1].clamp(min=1), torch.stack([one.float() for one in sums])

    def _sums(self, batch: Batch, feeding: Feeding) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The summed loss; the same without its gradient, the number of real tokens, how many of them are right."""
        logits, weights = self.model(batch, feeding)
        total, count = self.loss(logits, weights, batch)
        with torch.no_grad():
            right = count.new_zeros(())
            if self.symbols:
                right = ((logits.argmax(-1) == batch.target) & batch.target_mask).sum()
        return total, (total.detach(), count, right)

    def _replays(self) -> bool:
        """Whether this step is replayed. The first of a training is not: it creates the optimizer's state."""
        return self.graphs is not None and self.trainer.global_step > 0

    def release_graphs(self) -> None:
        """Give up captured steps and the memory of the device that they hold."""
        if self.graphs is not None:
            self.graphs.clear()
            self.graphs = None

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """The optimizer's step, which a replayed step contains."""
        if optimizer_closure is not None and self._replays():
            optimizer_closure()
        else:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        """Forget the gradients; those of a replayed step stay where the graph writes them."""
        if not self._replays():
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def on_validation_epoch_start(self) -> None:
        """Begin new sums, on the CPU: not every device has float64."""
        self._valid_losses = []
        self._valid_sums = {name: torch.zeros(2, dtype=torch.float64) for name in ("loss", *self.metrics)}

    def validation_step(self, carrier: Carrier, batch_idx: int) -> None:
        """Teacher-forced loss, and the metrics of what each of them looks at."""
        batch, here = carrier.batch, carrier.here
        assert here is not None, "validation batches are drawn on the CPU"
        with record_memory_masks(self.model.encoder) as memory_masks:
            logits, weights = self.model(batch)
        total, count = self.loss(logits, weights, batch)
        self._valid_losses.append((total, count))
        if batch_idx == 0 and weights is not None:
            self.glimpse = glimpse(self.model, batch, logits, weights)
        compared = {"teacher_forced": (greedy_prediction(logits, self.model.target_vocabulary).cpu(), here)}
        if any(metric.predictions == "decoded" for metric in self.metrics.values()):
            compared["decoded"] = self.decode(batch, here)
        memory_mask, looked = memory_masks[-1].cpu(), None if weights is None else weights.cpu()
        for name, metric in self.metrics.items():
            predicted, targets = compared[metric.predictions]
            if "weights" in metric.requires:
                assert looked is not None, "a decoder without attention is refused when it is built"
                self._valid_sums[name] += metric.weight_sums(looked, memory_mask, targets).sum(0)
            else:
                self._valid_sums[name] += metric.sums(predicted, targets)

    def on_validation_epoch_end(self) -> None:
        """Sum over ranks, and hand the values to the recorder and to early stopping."""
        names = list(self._valid_sums)
        columns = [torch.stack(column).cpu().double() for column in zip(*self._valid_losses, strict=True)]
        for loss_and_count in zip(*columns, strict=True):
            self._valid_sums["loss"] += torch.stack(loss_and_count)
        sums = torch.stack([self._valid_sums[name] for name in names])
        if self.trainer.world_size > 1:
            sums = self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum").cpu()
        loss = sums[0, 0] / sums[0, 1].clamp(min=1)
        values = [float(loss)] + [self.metrics[n].compute(s) for n, s in zip(names[1:], sums[1:], strict=True)]
        self.valid_values = {f"valid_{name}": value for name, value in zip(names, values, strict=True)}
        self.log_dict(self.valid_values, logger=False, sync_dist=self.trainer.world_size > 1)

    def decode(self, batch: Batch, here: Batch) -> tuple[Tensor, Batch]:
        """What free-running search writes, ids `[B, T]`, -1 where nothing, and the batch that it is compared with.

        Both on the CPU, as `here` is, the same batch. Where several targets are right, the nearest to what was written
        is the batch's. Values are `[B, T, F]`; they have no end, so all of them are written.
        """
        task = self.assembly.task
        right = accepted_targets(task, here) if self.symbols else []
        steps = max([here.target.shape[1], *(len(target) for targets in right for target in targets)])
        best = self.assembly.search.search(self.model, batch.source, batch.source_mask, steps)
        ids, mask = best.ids[:, 0].cpu(), best.mask[:, 0].cpu()
        if not self.symbols:
            return ids, here
        if any(len(targets) > 1 for targets in right):
            here = replace_targets(here, nearest_targets(task, ids, mask, right), steps)
        ids = ids.masked_fill(~mask, -1)
        return torch.nn.functional.pad(ids, (0, steps - ids.shape[1]), value=-1), here

    def higher_is_better(self, column: str) -> bool:
        """Which way a validation's column improves."""
        metric = self.metrics.get(column.removeprefix("valid_"))
        return metric is not None and metric.higher_is_better

    def configure_optimizers(self) -> Any:
        """The recipe's optimizer and schedule; the schedule moves at every step."""
        schedule, optimizer = self.assembly.schedule, self.assembly.optimizer
        if schedule is None:
            return optimizer
        scheduler = LambdaLR(optimizer, schedule.factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """By the optimizer where each process has all gradients, unscaled; else by Lightning, which asks the strategy.

        Under FSDP and other sharded strategies each process has a part of the gradients, of which it knows no norm.
        """
        whole = isinstance(self.trainer.strategy, SingleDeviceStrategy | DDPStrategy)
        scaled = self.options.precision == "16-mixed"
        if gradient_clip_val and isinstance(optimizer, ClippingOptimizer) and whole and not scaled:
            optimizer.clip(gradient_clip_val)
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def clip(self) -> None:
        """Clip the gradients of a step that is captured."""
        limit, optimizer = self.options.clip_norm, self.assembly.optimizer
        if limit is None:
            return
        if isinstance(optimizer, ClippingOptimizer):
            optimizer.clip(limit)
        else:
            moved = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(moved, limit)


def seed_device(device: torch.device, seed: int) -> None:
    """Set torch's global generators of the CPU and of `device`; a hundredth of the time of `torch.manual_seed`."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
