"""The Lightning module that trains and validates an assembly."""

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from seqtool.build.assembly import Assembly
from seqtool.nn.accepted_targets import (
    Targets,
    accept_next_symbols,
    accepted_targets,
    comparable,
    nearest_targets,
    replace_targets,
)
from seqtool.nn.feeding import TEACHER_FORCING, Feeding, greedy_prediction
from seqtool.nn.memory_recording import record_memory_masks
from seqtool.parts.batch import Batch
from seqtool.parts.clipping import ClippingOptimizer
from seqtool.randomness import derive
from seqtool.training.data_module import LoadedBatch
from seqtool.training.graphed_step import GraphedStep
from seqtool.training.lightning_internals import LowOverheadModule
from seqtool.training.lightning_overhead import cache_signature
from seqtool.training.snapshots import Snapshot, take_snapshot


class SequenceModule(LowOverheadModule):
    """Trains and validates an assembly. Measurements stay on the device until the recorder fetches them.

    Attributes:
        step_sums: for each step since the last fetch, summed over all ranks: the loss, the number of real tokens, and
            the number of correct tokens (0 for continuous targets).
        symbols: whether targets are symbols rather than continuous.
        valid_values: results of the last validation by column name.
        snapshot: attention weights of the first examples of the last validation; None for a decoder without attention.
        graphs: replays training steps; None if kernels are launched one by one.
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
        self.snapshot: Snapshot | None = None
        self.graphs: GraphedStep | None = None
        self._valid_losses: list[tuple[Tensor, Tensor]] = []
        self._valid_sums: dict[str, Tensor] = {}

    @cache_signature
    def training_step(self, loaded: LoadedBatch, batch_idx: int) -> Tensor | None:
        """The loss summed over the tokens of all ranks, divided by their number.

        None for a replayed step, which includes the backward pass and the optimizer's step.
        """
        trainer, batch = self.trainer, loaded.batch
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
            # DDP averages the gradients of the ranks; the loss is a sum over ranks divided by the common count
            mean = total * (trainer.world_size / sums[1].clamp(min=1)).to(total.dtype)
        self.step_sums.append(sums)
        return mean

    def objective(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """`(mean loss, [summed loss, real tokens, correct tokens])` of one process under teacher forcing."""
        total, sums = self._sums(batch, TEACHER_FORCING)
        return total / sums[1].clamp(min=1), torch.stack([one.float() for one in sums])

    def _sums(self, batch: Batch, feeding: Feeding) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The summed loss, and `(summed loss without gradient, number of real tokens, number of correct tokens)`."""
        logits, weights = self.model(batch, feeding)
        total, count = self.loss(logits, weights, batch)
        with torch.no_grad():
            correct = count.new_zeros(())
            if self.symbols:
                predicted = comparable(logits.argmax(-1), batch.target_mask, self.model.target_vocabulary)
                correct = (predicted == batch.target).sum()
        return total, (total.detach(), count, correct)

    def _replays(self) -> bool:
        """Whether this step is replayed. The first step is not, since it creates the optimizer's state."""
        return self.graphs is not None and self.trainer.global_step > 0

    def release_graphs(self) -> None:
        """Free the captured steps and their device memory."""
        if self.graphs is not None:
            self.graphs.clear()
            self.graphs = None

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """Take the optimizer's step, unless the replayed step includes it."""
        if optimizer_closure is not None and self._replays():
            optimizer_closure()
        else:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        """Clear the gradients, except those of a replayed step, which the graph overwrites."""
        if not self._replays():
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def on_validation_epoch_start(self) -> None:
        """Reset the sums. They are on the CPU, since not every device supports float64."""
        self._valid_losses = []
        self._valid_sums = {name: torch.zeros(2, dtype=torch.float64) for name in ("loss", *self.metrics)}

    def validation_step(self, loaded: LoadedBatch, batch_idx: int) -> None:
        """Add the teacher-forced loss and the sums of every metric."""
        batch, cpu_batch = loaded.batch, loaded.cpu_batch
        assert cpu_batch is not None, "validation batches are drawn on the CPU"
        with record_memory_masks(self.model.encoder) as memory_masks:
            logits, weights = self.model(batch)
        if not loaded.counted:
            return
        total, count = self.loss(logits, weights, batch)
        self._valid_losses.append((total, count))
        accepted = accepted_targets(self.assembly.task, cpu_batch) if self.symbols else []
        compared = {"teacher_forced": self._teacher_forced(logits, cpu_batch, accepted)}
        if batch_idx == 0 and weights is not None:
            self.snapshot = take_snapshot(self.model, batch, *compared["teacher_forced"], weights)
        if any(metric.predictions == "decoded" for metric in self.metrics.values()):
            compared["decoded"] = self.decode(batch, cpu_batch, accepted)
        memory_mask, cpu_weights = memory_masks[-1].cpu(), None if weights is None else weights.cpu()
        for name, metric in self.metrics.items():
            predicted, targets = compared[metric.predictions]
            if "weights" in metric.requires:
                assert cpu_weights is not None, "a decoder without attention is refused when it is built"
                self._valid_sums[name] += metric.weight_sums(cpu_weights, memory_mask, cpu_batch).sum(0)
            else:
                self._valid_sums[name] += metric.sums(predicted, targets)

    def on_validation_epoch_end(self) -> None:
        """Sum over ranks and set `valid_values`; log them for early stopping."""
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

    def _teacher_forced(self, logits: Tensor, cpu_batch: Batch, accepted: list[Targets]) -> tuple[Tensor, Batch]:
        """The teacher-forced prediction and the batch to compare it with, on the CPU; see `decode`."""
        predicted = greedy_prediction(logits, self.model.target_vocabulary).cpu()
        if not self.symbols:
            return predicted, cpu_batch
        predicted = comparable(predicted, cpu_batch.target_mask, self.model.target_vocabulary)
        return predicted, accept_next_symbols(cpu_batch, predicted, accepted)

    def decode(self, batch: Batch, cpu_batch: Batch, accepted: list[Targets]) -> tuple[Tensor, Batch]:
        """Decode a batch with the task's search.

        Args:
            batch: on the model's device. cpu_batch: the same batch on the CPU.
            accepted: the accepted targets of each example; empty for continuous targets.

        Returns:
            The predicted ids `[B, T]`, -1 after their end and for unknown symbols, or `[B, T, F]` for continuous
            targets; and the batch to compare them with. If an example has several correct targets, that batch has the
            one nearest to the prediction. Both are on the CPU.
        """
        task = self.assembly.task
        steps = max([cpu_batch.target.shape[1], *(len(target) for targets in accepted for target in targets)])
        best = self.assembly.search.search(self.model, batch.source, batch.source_mask, steps)
        ids, mask = best.ids[:, 0].cpu(), best.mask[:, 0].cpu()
        if not self.symbols:
            return ids, cpu_batch
        if any(len(targets) > 1 for targets in accepted):
            cpu_batch = replace_targets(cpu_batch, nearest_targets(task, ids, mask, accepted), steps)
        ids = comparable(ids, mask, task.target_vocabulary)
        return torch.nn.functional.pad(ids, (0, steps - ids.shape[1]), value=-1), cpu_batch

    def higher_is_better(self, column: str) -> bool:
        """Whether a validation column improves as it increases."""
        metric = self.metrics.get(column.removeprefix("valid_"))
        return metric is not None and metric.higher_is_better

    def configure_optimizers(self) -> Any:
        """The assembly's optimizer and schedule. The schedule advances at every step."""
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
        """Clip with the optimizer if each process has all gradients, unscaled; otherwise with Lightning.

        Under FSDP and other sharded strategies no process has all gradients, so none knows their norm.
        """
        whole = isinstance(self.trainer.strategy, SingleDeviceStrategy | DDPStrategy)
        scaled = self.options.precision == "16-mixed"
        if gradient_clip_val and isinstance(optimizer, ClippingOptimizer) and whole and not scaled:
            optimizer.clip(gradient_clip_val)
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def clip(self) -> None:
        """Clip the gradients of a captured step."""
        limit, optimizer = self.options.clip_norm, self.assembly.optimizer
        if limit is None:
            return
        if isinstance(optimizer, ClippingOptimizer):
            optimizer.clip(limit)
        else:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, limit)


def seed_device(device: torch.device, seed: int) -> None:
    """Seed torch's global generators of the CPU and of `device`, in a hundredth of the time of `torch.manual_seed`."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
