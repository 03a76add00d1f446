"""All steps of a decoder with attention: four kernels per step; gradients of weights, keys and memory after the loop.

Each loop stores its steps in one buffer, time first, in which the columns that are multiplied by one matrix are
adjacent. The gradient of the buffer has the same layout, and the backward loop accumulates into it in place. cuBLAS
computes the matrix products, Triton the rest of a step. Nothing waits for the device or reads from the host, so that a
loop can be captured into a CUDA graph.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqtool_triton.attend_step import Attended, Queries, Scores
from seqtool_triton.cell_step import cell_backward, cell_forward

Gradients = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Loop:
    """The configuration of a loop.

    Attributes:
        cell: lstm or gru.
        scores: the scores of the attention.
        hidden: the columns of h in the buffer.
    """

    cell: str
    scores: Scores
    hidden: slice

    def carried(self, held: Tensor, cells: Tensor | None) -> Tensor:
        """The state that the cell carries from step to step, `[T + 1, B, H]`: c of an LSTM, h of a GRU."""
        return held[:, :, self.hidden] if cells is None else cells

    def plain_cell(self, sums: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
        """`(h, carried)`, computed by torch."""
        first, second, third, fourth = sums.chunk(4, 1)
        if self.cell == "lstm":
            c = second.sigmoid() * carried + first.sigmoid() * third.tanh()
            return fourth.sigmoid() * c.tanh(), c
        n = torch.tanh(third + first.sigmoid() * fourth)
        h = n + second.sigmoid() * (carried - n)
        return h, h


class AttendAfterSteps(torch.autograd.Function):
    """With input feeding: h = cell(x, [h; h~]); h~ = tanh(context of attention(h) + R h).

    The values are C h_j instead of h_j, for the part's tanh([C R] [context; h]), so that the attention kernel writes
    h~. A step of the buffer is [h; h~], `[B, H + D]`; the first is the initial state.

    Inputs: sums `[T, B, 4 H]`, the part of the gates from x; recurrent `[4 H, H + D]`; first `[B, H + D]`; the first c
    `[B, H]`, None for a GRU; asking, the query's map stacked on R, `[A + D, H]`, or R for products; keys `[B, S, A]`;
    values `[B, S, D]`; vector `[A]`. Outputs: the buffer `[T + 1, B, H + D]`, weights `[T, B, S]`, and c
    `[T + 1, B, H]` or None.
    """

    @staticmethod
    def forward(
        ctx: Any,
        loop: Loop,
        sums: Tensor,
        recurrent: Tensor,
        first: Tensor,
        first_c: Tensor | None,
        asking: Tensor,
        keys: Tensor,
        values: Tensor,
        vector: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `AttendAfterSteps`."""
        held, cells, weights = _new_buffers(len(sums), keys, first, first_c)
        held[0] = first
        h, gates, carried = loop.hidden, _writable_copy(sums, sums), loop.carried(held, cells)
        mapped = sums.new_empty(*sums.shape[:2], len(asking))
        queries, rests = _queries_and_rests(loop, held[1:, :, h], mapped, values)
        for t in range(len(sums)):
            after = held[t + 1]
            gates[t].addmm_(held[t], recurrent.t())
            cell_forward(loop.cell, gates[t], carried[t], carried[t + 1], after[:, h])
            torch.mm(after[:, h], asking.t(), out=mapped[t])
            seen = Attended(weights[t].unsqueeze(1), after[:, h.stop :].unsqueeze(1))
            loop.scores.attend(Queries(queries[t].unsqueeze(1), rests[t].unsqueeze(1)), keys, values, vector, seen)
        given = (sums, recurrent, first, first_c, asking, keys, values, vector)
        return _keep(ctx, loop, given, (gates, held, cells, mapped, weights))

    @staticmethod
    def backward(ctx: Any, of_held: Tensor | None, of_weights: Tensor | None, of_cells: Tensor | None) -> Gradients:
        """The loop in reverse."""
        loop, given, (gates, held, cells, mapped, weights) = ctx.loop, ctx.saved_tensors[:8], ctx.saved_tensors[8:]
        if torch.is_grad_enabled():
            return _differentiable_gradients(_plain_after, ctx, (loop, *given), (of_held, of_weights, of_cells))
        h, (recurrent, asking), (keys, values, vector) = loop.hidden, given[1:5:3], given[5:]
        of_held, of_weights, of_cells = (
            _writable_copy(of_held, held),
            _contiguous(of_weights),
            _writable_copy(of_cells, cells),
        )
        carried, of_carried = loop.carried(held, cells), loop.carried(of_held, of_cells)
        queries, _ = _queries_and_rests(loop, held[1:, :, h], mapped, values)
        of_mapped, of_scores, of_sums = map(torch.empty_like, (mapped, weights, gates))
        of_queries, of_rests = _queries_and_rests(loop, of_held[1:, :, h], of_mapped, values)
        for t in reversed(range(len(gates))):
            of_h, of_fed = of_held[t + 1, :, h], of_held[t + 1, :, h.stop :]
            loop.scores.backward(
                Attended(of_scores[t].unsqueeze(1), of_fed.unsqueeze(1)),
                None if of_weights is None else of_weights[t].unsqueeze(1),
                Attended(weights[t].unsqueeze(1), held[t + 1, :, h.stop :].unsqueeze(1)),
                Queries(queries[t].unsqueeze(1)), keys, values, vector,
                Queries(of_queries[t].unsqueeze(1), of_rests[t].unsqueeze(1)), add=not loop.scores.additive,
            )  # fmt: skip
            of_h.addmm_(of_mapped[t], asking)
            cell_backward(
                loop.cell, gates[t], carried[t], carried[t + 1], of_h, of_carried[t + 1], of_carried[t], of_sums[t]
            )
            of_held[t].addmm_(of_sums[t], recurrent)
        of_recurrent = _summed(of_sums, held[:-1])
        of_asking = _summed(of_mapped, held[1:, :, h])
        of_values = weights.permute(1, 2, 0) @ of_rests.transpose(0, 1)
        of_keys, of_vector = loop.scores.of_keys(of_scores.transpose(0, 1), queries.transpose(0, 1), keys, vector)
        of_c = None if of_cells is None else of_cells[0]
        return None, of_sums, of_recurrent, of_held[0], of_c, of_asking, of_keys, of_values, of_vector


class AttendBeforeSteps(torch.autograd.Function):
    """context = attention(h); h = cell(x, [context; h]).

    A step of the buffer is [context; h], `[B, M + H]`, with h of the previous step; the last context is zero.

    Inputs and outputs are those of `AttendAfterSteps`, except: recurrent is `[4 H, M + H]`, first `[B, H]`, asking the
    query's map `[A, H]`, or None for products, the buffer `[T + 1, B, M + H]`; the additional input asked is the
    part of the query from x, `[T, B, A]`, or None.
    """

    @staticmethod
    def forward(
        ctx: Any,
        loop: Loop,
        sums: Tensor,
        recurrent: Tensor,
        first: Tensor,
        first_c: Tensor | None,
        asking: Tensor | None,
        keys: Tensor,
        values: Tensor,
        vector: Tensor,
        asked: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `AttendBeforeSteps`."""
        h = loop.hidden
        held, cells, weights = _new_buffers(len(sums), keys, first, first_c, h.start)
        held[0, :, h] = first
        held[-1, :, : h.start] = 0
        gates, carried, queries = _writable_copy(sums, sums), loop.carried(held, cells), held[:-1, :, h]
        if asking is not None:
            queries = sums.new_zeros(*sums.shape[:2], len(asking)) if asked is None else _writable_copy(asked, asked)
        for t in range(len(sums)):
            if asking is not None:
                queries[t].addmm_(held[t, :, h], asking.t())
            seen = Attended(weights[t].unsqueeze(1), held[t, :, : h.start].unsqueeze(1))
            loop.scores.attend(Queries(queries[t].unsqueeze(1)), keys, values, vector, seen)
            gates[t].addmm_(held[t], recurrent.t())
            cell_forward(loop.cell, gates[t], carried[t], carried[t + 1], held[t + 1, :, h])
        given = (sums, recurrent, first, first_c, asking, keys, values, vector, asked)
        return _keep(ctx, loop, given, (gates, held, cells, None if asking is None else queries, weights))

    @staticmethod
    def backward(ctx: Any, of_held: Tensor | None, of_weights: Tensor | None, of_cells: Tensor | None) -> Gradients:
        """The loop in reverse."""
        loop, given, (gates, held, cells, queries, weights) = ctx.loop, ctx.saved_tensors[:9], ctx.saved_tensors[9:]
        if torch.is_grad_enabled():
            return _differentiable_gradients(_plain_before, ctx, (loop, *given), (of_held, of_weights, of_cells))
        h, (recurrent, asking), (keys, values, vector, asked) = loop.hidden, given[1:5:3], given[5:]
        of_held, of_weights, of_cells = (
            _writable_copy(of_held, held),
            _contiguous(of_weights),
            _writable_copy(of_cells, cells),
        )
        carried, of_carried = loop.carried(held, cells), loop.carried(of_held, of_cells)
        queries = held[:-1, :, h] if queries is None else queries
        of_queries = of_held[:-1, :, h] if asking is None else torch.empty_like(queries)
        of_scores, of_sums = torch.empty_like(weights), torch.empty_like(gates)
        for t in reversed(range(len(gates))):
            cell_backward(
                loop.cell, gates[t], carried[t], carried[t + 1], of_held[t + 1, :, h], of_carried[t + 1],
                of_carried[t], of_sums[t],
            )  # fmt: skip
            of_held[t].addmm_(of_sums[t], recurrent)
            context, of_context = held[t, :, : h.start].unsqueeze(1), of_held[t, :, : h.start].unsqueeze(1)
            loop.scores.backward(
                Attended(of_scores[t].unsqueeze(1), of_context),
                None if of_weights is None else of_weights[t].unsqueeze(1),
                Attended(weights[t].unsqueeze(1), context), Queries(queries[t].unsqueeze(1)), keys, values, vector,
                Queries(of_queries[t].unsqueeze(1)), add=asking is None,
            )  # fmt: skip
            if asking is not None:
                of_held[t, :, h].addmm_(of_queries[t], asking)
        of_recurrent = _summed(of_sums, held[:-1])
        of_asking = None if asking is None else _summed(of_queries, held[:-1, :, h])
        of_values = weights.permute(1, 2, 0) @ of_held[:-1, :, : h.start].transpose(0, 1)
        of_keys, of_vector = loop.scores.of_keys(of_scores.transpose(0, 1), queries.transpose(0, 1), keys, vector)
        of_c, of_asked = None if of_cells is None else of_cells[0], None if asked is None else of_queries
        return None, of_sums, of_recurrent, of_held[0, :, h], of_c, of_asking, of_keys, of_values, of_vector, of_asked


class AttendSteps(torch.autograd.Function):
    """`(weights [B, T, S], context [B, T, M])` of all queries `[B, T, A]` in parallel."""

    @staticmethod
    def forward(
        ctx: Any, scores: Scores, query: Tensor, keys: Tensor, values: Tensor, vector: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `AttendSteps`."""
        steps = query.shape[:2]
        seen = Attended(query.new_empty(*steps, keys.shape[1]), query.new_empty(*steps, values.shape[2]))
        scores.attend(Queries(query), keys, values, vector, seen)
        ctx.scores = scores
        ctx.save_for_backward(query, keys, values, vector, *seen)
        ctx.set_materialize_grads(False)
        return tuple(seen)

    @staticmethod
    def backward(ctx: Any, of_weights: Tensor | None, of_context: Tensor | None) -> Gradients:
        """Gradients per row and step, then those of keys and memory over all steps."""
        scores, (query, keys, values, vector, *seen) = ctx.scores, ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable_gradients(
                _plain_attend, ctx, (scores, query, keys, values, vector), (of_weights, of_context)
            )
        weights, context = seen
        of_weights, of_query, of_scores = _contiguous(of_weights), torch.empty_like(query), torch.empty_like(weights)
        of_context = torch.zeros_like(context) if of_context is None else of_context.contiguous()
        of_seen = Attended(of_scores, of_context)
        scores.backward(of_seen, of_weights, Attended(*seen), Queries(query), keys, values, vector, Queries(of_query))
        of_keys, of_vector = scores.of_keys(of_scores, query, keys, vector)
        return None, of_query, of_keys, weights.transpose(1, 2) @ of_context, of_vector


def _new_buffers(
    steps: int, keys: Tensor, first: Tensor, first_c: Tensor | None, context_size: int = 0
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The buffer, the buffer of c with its first step set, and that of the weights."""
    rows, positions, _ = keys.shape
    cells = None
    if first_c is not None:
        cells = first_c.new_empty(steps + 1, *first_c.shape)
        cells[0] = first_c
    held = first.new_empty(steps + 1, rows, context_size + first.shape[1])
    return held, cells, first.new_empty(steps, rows, positions)


def _queries_and_rests(loop: Loop, asking: Tensor, mapped: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """`(queries, rests)` as columns of `mapped`; the query of products is h, `asking [T, B, H]`."""
    size = mapped.shape[2] - values.shape[2]
    return (mapped[:, :, :size] if loop.scores.additive else asking), mapped[:, :, size:]


def _keep(
    ctx: Any, loop: Loop, given: tuple[Tensor | None, ...], found: tuple[Tensor | None, ...]
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Save inputs and results for the backward loop; return the outputs."""
    ctx.loop = loop
    ctx.save_for_backward(*given, *found)
    ctx.set_materialize_grads(False)
    _, held, cells, _, weights = found
    assert held is not None
    assert weights is not None
    return held, weights, cells


def _writable_copy(of: Tensor | None, like: Tensor | None) -> Any:
    """A contiguous copy that may be overwritten; zeros if there is nothing to copy."""
    if like is None:
        return None
    return torch.zeros_like(like) if of is None else of.clone(memory_format=torch.contiguous_format)


def _contiguous(of: Tensor | None) -> Tensor | None:
    return None if of is None else of.contiguous()


def _summed(of: Tensor, by: Tensor) -> Tensor:
    """The gradient `[F, G]` of a matrix, from its inputs `by [T, B, G]` and its outputs' gradient `of [T, B, F]`."""
    return of.flatten(0, 1).t() @ by.flatten(0, 1)


def _differentiable_gradients(
    plain: Callable[..., tuple[Tensor | None, ...]], ctx: Any, given: Sequence[Any], of_outputs: Sequence[Tensor | None]
) -> Gradients:
    """The gradients of `plain(*given)`, which can be differentiated again."""
    given = [x.view_as(x) if isinstance(x, Tensor) else x for x in given]
    pairs = [(x, of) for x, of in zip(plain(*given), of_outputs, strict=True) if x is not None and of is not None]
    ours, theirs = zip(*((x, of) for x, of in pairs if x.requires_grad), strict=True)
    asked = [x for x, wanted in zip(given, ctx.needs_input_grad, strict=True) if wanted]
    found = iter(torch.autograd.grad(ours, asked, theirs, create_graph=True, allow_unused=True))
    return tuple(next(found) if wanted else None for wanted in ctx.needs_input_grad)


def _plain_attend(scores: Scores, query: Tensor, *seen: Tensor) -> tuple[Tensor, Tensor]:
    """`AttendSteps`, computed by torch."""
    return tuple(scores.plain(Queries(query), *seen))


def _plain_after(
    loop: Loop,
    sums: Tensor,
    recurrent: Tensor,
    first: Tensor,
    first_c: Tensor | None,
    asking: Tensor,
    *seen: Tensor,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`AttendAfterSteps`, computed by torch."""
    h = first[:, loop.hidden]
    carried = h if first_c is None else first_c
    held, all_weights, cells = [first], [], [carried]
    for sums_t in sums.unbind(0):
        h, carried = loop.plain_cell(sums_t + held[-1] @ recurrent.t(), carried)
        query, rest = _queries_and_rests(loop, h.unsqueeze(1), (h @ asking.t()).unsqueeze(1), seen[1])
        weights, fed = loop.scores.plain(Queries(query, rest), *seen)
        held.append(torch.cat([h, fed.squeeze(1)], 1))
        all_weights.append(weights.squeeze(1))
        cells.append(carried)
    return torch.stack(held), torch.stack(all_weights), None if first_c is None else torch.stack(cells)


def _plain_before(
    loop: Loop,
    sums: Tensor,
    recurrent: Tensor,
    first: Tensor,
    first_c: Tensor | None,
    asking: Tensor | None,
    keys: Tensor,
    values: Tensor,
    vector: Tensor,
    asked: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`AttendBeforeSteps`, computed by torch."""
    h, carried = first, first if first_c is None else first_c
    held, all_weights, cells = [], [], [carried]
    for t, sums_t in enumerate(sums.unbind(0)):
        query = h if asking is None else h @ asking.t()
        query = query if asked is None else query + asked[t]
        weights, context = loop.scores.plain(Queries(query.unsqueeze(1)), keys, values, vector)
        held.append(torch.cat([context.squeeze(1), h], 1))
        h, carried = loop.plain_cell(sums_t + held[-1] @ recurrent.t(), carried)
        all_weights.append(weights.squeeze(1))
        cells.append(carried)
    held.append(torch.cat([h.new_zeros(len(h), loop.hidden.start), h], 1))
    return torch.stack(held), torch.stack(all_weights), None if first_c is None else torch.stack(cells)
