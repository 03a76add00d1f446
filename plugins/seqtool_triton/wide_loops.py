"""All steps of a decoder that attends: a few kernels per step, gradients of weights, keys and memory after the loop.

Each loop holds its steps in one buffer, time first, in which the columns that one matrix reads lie side by side. The
gradient of the buffer is laid out alike, and the backward loop accumulates into it in place. Products are cuBLAS's,
everything else of a step is Triton's. Nothing here waits for the device or reads from the host, so that the loop may
be captured into a CUDA graph.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqtool_triton.attend_step import Scores
from seqtool_triton.cell_step import cell_backward, cell_forward

Gradients = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Loop:
    """What the steps of a loop are.

    Attributes:
        cell: lstm or gru.
        scores: how positions are scored.
        hidden_size: H.
        memory_size: M.
    """

    cell: str
    scores: Scores
    hidden_size: int
    memory_size: int

    @property
    def hidden(self) -> slice:
        """The columns of h in the buffer; those of the context are before them."""
        return slice(self.memory_size, self.memory_size + self.hidden_size)

    def carried(self, held: Tensor, cells: Tensor | None) -> Tensor:
        """What the cell carries from step to step, `[T + 1, B, H]`: an LSTM's c, a GRU's h."""
        return held[:, :, self.hidden] if cells is None else cells

    def queries(self, asking: Tensor, query_map: Tensor | None) -> Tensor:
        """Room for the queries `[T, B, A]` that `asking [T, B, H]` are mapped to; those themselves without a map."""
        return asking if query_map is None else asking.new_empty(*asking.shape[:2], len(query_map))

    def ask_backward(self, t: int, step: "Attended", of_context: Tensor, of_asking: Tensor) -> None:
        """The gradient of one step's attention, added to what asked, `of_asking [B, H]`."""
        of_query = of_asking if step.query_map is None else step.of_queries[t]
        self.scores.backward(
            of_context.unsqueeze(1), None if step.of_weights is None else step.of_weights[t].unsqueeze(1),
            step.weights[t].unsqueeze(1), step.queries[t].unsqueeze(1), step.keys, step.values, step.vector,
            step.of_scores[t].unsqueeze(1), of_query.unsqueeze(1), add=step.query_map is None,
        )  # fmt: skip
        if step.query_map is not None:
            of_asking.addmm_(of_query, step.query_map)

    def plain_cell(self, sums: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
        """`(h, carried)` by torch's operations."""
        a, b, n, d = sums.chunk(4, 1)
        if self.cell == "lstm":
            c = b.sigmoid() * carried + a.sigmoid() * n.tanh()
            return d.sigmoid() * c.tanh(), c
        n = torch.tanh(n + a.sigmoid() * d)
        h = n + b.sigmoid() * (carried - n)
        return h, h


class Attended:
    """The attention of all steps: what the forward loop left of it, and room for what the backward loop writes."""

    def __init__(
        self,
        query_map: Tensor | None,
        keys: Tensor,
        values: Tensor,
        vector: Tensor,
        queries: Tensor,
        weights: Tensor,
        of_weights: Tensor | None,
    ) -> None:
        self.query_map, self.keys, self.values, self.vector = query_map, keys, values, vector
        self.queries, self.weights = queries, weights
        self.of_weights = None if of_weights is None else of_weights.contiguous()
        self.of_scores = torch.empty_like(weights)
        self.of_queries = queries if query_map is None else torch.empty_like(queries)

    def gradients(self, loop: Loop, asking: Tensor, of_contexts: Tensor, wanted: Sequence[bool]) -> Gradients:
        """Those of query map, keys, values and vector, from all steps."""
        of_map = None if self.query_map is None else self.of_queries.flatten(0, 1).t() @ asking.flatten(0, 1)
        queries, of_scores = self.queries.transpose(0, 1), self.of_scores.transpose(0, 1)
        of_keys, of_vector = loop.scores.of_keys(of_scores, queries, self.keys, self.vector)
        of_values = self.weights.permute(1, 2, 0) @ of_contexts.transpose(0, 1) if wanted[2] else None
        return of_map, of_keys, of_values, of_vector


class AttendAfterSteps(torch.autograd.Function):
    """With input feeding: h = cell(x, [h; h~]); context = attention(h); h~ = tanh(C [context; h]).

    A step of the buffer is [context; h; h~], `[B, M + H + D]`; the first is the one before the loop.

    Inputs: sums `[T, B, 4 H]`, what x adds to the gates; recurrent `[4 H, H + D]`; first `[B, H + D]`; the first c
    `[B, H]`, None for a GRU; query map `[A, H]` or None; keys `[B, S, A]`; values `[B, S, M]`; vector `[A]`; combine C
    `[D, M + H]`. Outputs: the buffer `[T + 1, B, M + H + D]`, weights `[T, B, S]`, and c `[T + 1, B, H]` or None.
    """

    @staticmethod
    def forward(
        ctx: Any,
        loop: Loop,
        sums: Tensor,
        recurrent: Tensor,
        first: Tensor,
        first_c: Tensor | None,
        query_map: Tensor | None,
        keys: Tensor,
        values: Tensor,
        vector: Tensor,
        combine: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `AttendAfterSteps`."""
        steps, size, h = len(sums), loop.memory_size, loop.hidden
        held, cells, weights = _room(steps, keys, size, first, first_c)
        gates, carried, queries = sums.clone(), loop.carried(held, cells), loop.queries(held[1:, :, h], query_map)
        for t in range(steps):
            before, after = held[t], held[t + 1]
            gates[t].addmm_(before[:, size:], recurrent.t())
            cell_forward(loop.cell, gates[t], carried[t], carried[t + 1], after[:, h])
            if query_map is not None:
                torch.mm(after[:, h], query_map.t(), out=queries[t])
            loop.scores.attend(
                queries[t].unsqueeze(1), keys, values, vector, weights[t].unsqueeze(1), after[:, :size].unsqueeze(1)
            )
            torch.mm(after[:, : h.stop], combine.t(), out=after[:, h.stop :])
            after[:, h.stop :].tanh_()
        given = (sums, recurrent, first, first_c, query_map, keys, values, vector, combine)
        return _keep(ctx, loop, given, gates, held, cells, None if query_map is None else queries, weights)

    @staticmethod
    def backward(ctx: Any, of_held: Tensor | None, of_weights: Tensor | None, of_cells: Tensor | None) -> Gradients:
        """The mirrored loop."""
        loop, given, (gates, held, cells, queries, weights) = ctx.loop, ctx.saved_tensors[:9], ctx.saved_tensors[9:]
        if torch.is_grad_enabled():
            return _again(_plain_after, ctx, (loop, *given), (of_held, of_weights, of_cells))
        recurrent, combine, size, h = given[1], given[8], loop.memory_size, loop.hidden
        attended = Attended(*given[4:8], held[1:, :, h] if queries is None else queries, weights, of_weights)
        of_held, of_cells = _own(of_held, held), None if cells is None else _own(of_cells, cells)
        carried, of_carried = loop.carried(held, cells), loop.carried(of_held, of_cells)
        of_sums, of_combined = torch.empty_like(gates), held.new_empty(*gates.shape[:2], len(combine))
        for t in reversed(range(len(gates))):
            of = of_held[t + 1]
            torch.ops.aten.tanh_backward.grad_input(
                of[:, h.stop :], held[t + 1, :, h.stop :], grad_input=of_combined[t]
            )
            of[:, : h.stop].addmm_(of_combined[t], combine)
            loop.ask_backward(t, attended, of[:, :size], of[:, h])
            cell_backward(
                loop.cell, gates[t], carried[t], carried[t + 1], of[:, h], of_carried[t + 1], of_carried[t], of_sums[t]
            )
            of_held[t, :, size:].addmm_(of_sums[t], recurrent)
        of_recurrent = of_sums.flatten(0, 1).t() @ held[:-1, :, size:].flatten(0, 1)
        of_combine = of_combined.flatten(0, 1).t() @ held[1:, :, : h.stop].flatten(0, 1)
        of_attended = attended.gradients(loop, held[1:, :, h], of_held[1:, :, :size], ctx.needs_input_grad[5:9])
        of_c = None if of_cells is None else of_cells[0]
        return None, of_sums, of_recurrent, of_held[0, :, size:], of_c, *of_attended, of_combine


class AttendBeforeSteps(torch.autograd.Function):
    """context = attention(h); h = cell(x, [context; h]).

    A step of the buffer is [context; h], `[B, M + H]`, with the h of the step before; the last context is zero.

    Inputs and outputs are those of `AttendAfterSteps`, but recurrent is `[4 H, M + H]`, first is `[B, H]`, the buffer
    is `[T + 1, B, M + H]`, and instead of combine there is what x adds to the query, `[T, B, A]`, or None.
    """

    @staticmethod
    def forward(
        ctx: Any,
        loop: Loop,
        sums: Tensor,
        recurrent: Tensor,
        first: Tensor,
        first_c: Tensor | None,
        query_map: Tensor | None,
        keys: Tensor,
        values: Tensor,
        vector: Tensor,
        asked: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `AttendBeforeSteps`."""
        steps, size, h = len(sums), loop.memory_size, loop.hidden
        held, cells, weights = _room(steps, keys, size, first, first_c)
        gates, carried = sums.clone(), loop.carried(held, cells)
        queries = loop.queries(held[:-1, :, h], query_map) if asked is None else asked.clone()
        for t in range(steps):
            step, after = held[t], held[t + 1]
            if asked is not None and query_map is not None:
                queries[t].addmm_(step[:, h], query_map.t())
            elif query_map is not None:
                torch.mm(step[:, h], query_map.t(), out=queries[t])
            loop.scores.attend(
                queries[t].unsqueeze(1), keys, values, vector, weights[t].unsqueeze(1), step[:, :size].unsqueeze(1)
            )
            gates[t].addmm_(step, recurrent.t())
            cell_forward(loop.cell, gates[t], carried[t], carried[t + 1], after[:, h])
        given = (sums, recurrent, first, first_c, query_map, keys, values, vector, asked)
        return _keep(ctx, loop, given, gates, held, cells, None if query_map is None else queries, weights)

    @staticmethod
    def backward(ctx: Any, of_held: Tensor | None, of_weights: Tensor | None, of_cells: Tensor | None) -> Gradients:
        """The mirrored loop."""
        loop, given, (gates, held, cells, queries, weights) = ctx.loop, ctx.saved_tensors[:9], ctx.saved_tensors[9:]
        if torch.is_grad_enabled():
            return _again(_plain_before, ctx, (loop, *given), (of_held, of_weights, of_cells))
        recurrent, asked, size, h = given[1], given[8], loop.memory_size, loop.hidden
        attended = Attended(*given[4:8], held[:-1, :, h] if queries is None else queries, weights, of_weights)
        of_held, of_cells = _own(of_held, held), None if cells is None else _own(of_cells, cells)
        carried, of_carried = loop.carried(held, cells), loop.carried(of_held, of_cells)
        of_sums = torch.empty_like(gates)
        for t in reversed(range(len(gates))):
            of, of_h = of_held[t], of_held[t + 1, :, h]
            cell_backward(
                loop.cell, gates[t], carried[t], carried[t + 1], of_h, of_carried[t + 1], of_carried[t], of_sums[t]
            )
            of.addmm_(of_sums[t], recurrent)
            loop.ask_backward(t, attended, of[:, :size], of[:, h])
        of_recurrent = of_sums.flatten(0, 1).t() @ held[:-1].flatten(0, 1)
        of_attended = attended.gradients(loop, held[:-1, :, h], of_held[:-1, :, :size], ctx.needs_input_grad[5:9])
        of_asked = None if asked is None else attended.of_queries
        of_c = None if of_cells is None else of_cells[0]
        return None, of_sums, of_recurrent, of_held[0, :, size:], of_c, *of_attended, of_asked


class AttendSteps(torch.autograd.Function):
    """The attention of queries `[B, T, A]` that are all known: `(weights [B, T, S], context [B, T, M])`."""

    @staticmethod
    def forward(
        ctx: Any, scores: Scores, query: Tensor, keys: Tensor, values: Tensor, vector: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `AttendSteps`."""
        weights = query.new_empty(*query.shape[:2], keys.shape[1])
        context = query.new_empty(*query.shape[:2], values.shape[2])
        scores.attend(query, keys, values, vector, weights, context)
        ctx.scores = scores
        ctx.save_for_backward(query, keys, values, vector, weights)
        ctx.set_materialize_grads(False)
        return weights, context

    @staticmethod
    def backward(ctx: Any, of_weights: Tensor | None, of_context: Tensor | None) -> Gradients:
        """Per row and step, then of keys and memory from all steps."""
        scores, (query, keys, values, vector, weights) = ctx.scores, ctx.saved_tensors
        if torch.is_grad_enabled():
            return _again(Scores.plain, ctx, (scores, query, keys, values, vector), (of_weights, of_context))
        if of_context is None:
            of_context = query.new_zeros(*query.shape[:2], values.shape[2])
        of_context = of_context.contiguous()
        of_weights = None if of_weights is None else of_weights.contiguous()
        of_scores, of_query = torch.empty_like(weights), torch.empty_like(query, memory_format=torch.contiguous_format)
        scores.backward(of_context, of_weights, weights, query, keys, values, vector, of_scores, of_query)
        of_keys, of_vector = scores.of_keys(of_scores, query, keys, vector)
        of_values = weights.transpose(1, 2) @ of_context if ctx.needs_input_grad[3] else None
        return None, of_query, of_keys, of_values, of_vector


def _room(
    steps: int, keys: Tensor, memory_size: int, first: Tensor, first_c: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The buffer and c, with what is before the loop in them, and the weights."""
    rows, positions, _ = keys.shape
    held, cells = first.new_zeros(steps + 1, rows, memory_size + first.shape[1]), None
    held[0, :, memory_size:] = first
    if first_c is not None:
        cells = first_c.new_empty(steps + 1, *first_c.shape)
        cells[0] = first_c
    return held, cells, first.new_empty(steps, rows, positions)


def _keep(
    ctx: Any,
    loop: Loop,
    given: tuple[Tensor | None, ...],
    gates: Tensor,
    held: Tensor,
    cells: Tensor | None,
    queries: Tensor | None,
    weights: Tensor,
) -> tuple[Tensor, Tensor, Tensor | None]:
    ctx.loop = loop
    ctx.save_for_backward(*given, gates, held, cells, queries, weights)
    ctx.set_materialize_grads(False)
    return held, weights, cells


def _own(of: Tensor | None, like: Tensor) -> Tensor:
    """A gradient that may be overwritten."""
    return torch.zeros_like(like) if of is None else of.clone(memory_format=torch.contiguous_format)


def _again(
    plain: Callable[..., tuple[Tensor | None, ...]], ctx: Any, given: Sequence[Any], of_outputs: Sequence[Tensor | None]
) -> Gradients:
    """The gradients of `plain(*given)`, which can be differentiated again."""
    given = [x.view_as(x) if isinstance(x, Tensor) else x for x in given]
    pairs = [(x, of) for x, of in zip(plain(*given), of_outputs, strict=True) if x is not None and of is not None]
    ours, theirs = zip(*((x, of) for x, of in pairs if x.requires_grad), strict=True)
    asked = [x for x, wanted in zip(given, ctx.needs_input_grad, strict=True) if wanted]
    found = iter(torch.autograd.grad(ours, asked, theirs, create_graph=True, allow_unused=True))
    return tuple(next(found) if wanted else None for wanted in ctx.needs_input_grad)


def _plain_after(
    loop: Loop,
    sums: Tensor,
    recurrent: Tensor,
    first: Tensor,
    first_c: Tensor | None,
    query_map: Tensor | None,
    keys: Tensor,
    values: Tensor,
    vector: Tensor,
    combine: Tensor,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`AttendAfterSteps` by torch's operations."""
    h, fed = first.split([loop.hidden_size, len(combine)], 1)
    carried = h if first_c is None else first_c
    held, all_weights, cells = [torch.cat([first.new_zeros(len(first), loop.memory_size), first], 1)], [], [carried]
    for sums_t in sums.unbind(0):
        h, carried = loop.plain_cell(sums_t + torch.cat([h, fed], 1) @ recurrent.t(), carried)
        query = h if query_map is None else h @ query_map.t()
        weights, context = loop.scores.plain(query.unsqueeze(1), keys, values, vector)
        joined = torch.cat([context.squeeze(1), h], 1)
        fed = torch.tanh(joined @ combine.t())
        held.append(torch.cat([joined, fed], 1))
        all_weights.append(weights.squeeze(1))
        cells.append(carried)
    return torch.stack(held), torch.stack(all_weights), None if first_c is None else torch.stack(cells)


def _plain_before(
    loop: Loop,
    sums: Tensor,
    recurrent: Tensor,
    first: Tensor,
    first_c: Tensor | None,
    query_map: Tensor | None,
    keys: Tensor,
    values: Tensor,
    vector: Tensor,
    asked: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`AttendBeforeSteps` by torch's operations."""
    h, carried = first, first if first_c is None else first_c
    held, all_weights, cells = [], [], [carried]
    for t, sums_t in enumerate(sums.unbind(0)):
        query = h if query_map is None else h @ query_map.t()
        query = query if asked is None else query + asked[t]
        weights, context = loop.scores.plain(query.unsqueeze(1), keys, values, vector)
        held.append(torch.cat([context.squeeze(1), h], 1))
        h, carried = loop.plain_cell(sums_t + held[-1] @ recurrent.t(), carried)
        all_weights.append(weights.squeeze(1))
        cells.append(carried)
    held.append(torch.cat([h.new_zeros(len(h), loop.memory_size), h], 1))
    return torch.stack(held), torch.stack(all_weights), None if first_c is None else torch.stack(cells)
