/* All steps of an LSTM, forward and backward. Gates are in the order i, f, g, o, as in torch.

   B rows, S steps, I inputs, H units. `weights` [4H, I + H] is [W, U], and `joined` is [x, h]. With `ids`, I is 0, x is
   NULL, and `projected` [symbols, 4H] is W x of each symbol. Every function returns 0, or 1 if memory runs out. */
#include "cells.h"
#include "gradient.h"
#include "rows.h"

/* One row of a step, from the sums of the gates; `projected` [4H] is added unless it is NULL. Updates c in place. */
static void
step_of_row(int size, const float *sums, const float *bias, const float *projected, float *c, float *saved, float *h) {
    for (int k = 0; k < size; k += LANES) {
        const int n = size - k;
        vec gates[4];
        for (int m = 0; m < 4; m++)
            gates[m] = load_partial(sums + m * size + k, n) + load_partial(bias + m * size + k, n);
        for (int m = 0; projected && m < 4; m++) gates[m] += load_partial(projected + m * size + k, n);
        vec i = vec_sigmoid(gates[0]), f = vec_sigmoid(gates[1]), o = vec_sigmoid(gates[3]);
        vec g = accurate_tanh(gates[2]), now = f * load_partial(c + k, n) + i * g;
        vec all[] = {i, f, g, o, now};
        for (int m = 0; m < 5; m++) store_partial(saved + m * size + k, all[m], n);
        store_partial(c + k, now, n);
        store_partial(h + k, o * accurate_tanh(now), n);
    }
}

/* saved [S, B, 5H]: the gates, then c, for the backward pass. bias [4H] is the sum of both biases. */
int seqtool_lstm_forward(
    int64_t batch, int64_t steps, int64_t inputs, int64_t size, int64_t reversed, int64_t out_row, int64_t symbols,
    const int64_t *lengths, const float *x, const int64_t *ids, const float *projected, const float *weights,
    const float *bias, const float *first_h, const float *first_c, float *saved, float *outputs, float *last_h,
    float *last_c, int64_t threads) {
    const Direction direction = {steps, reversed, out_row};
    const Table table = {ids, projected, symbols, 4 * size};
    const int width = 4 * size, joined_size = inputs + size;
    const size_t bytes = sizeof(float) * (size_t)size;
    Blocks all = new_blocks(batch, steps, lengths, threads);
    float *packed = new_packed(joined_size, width);
    int failed = !packed || !all.rows;
    if (!failed) {
        pack(weights, 1, joined_size, joined_size, width, packed);
        memcpy(last_c, first_c, bytes * (size_t)batch);
#pragma omp parallel num_threads(threads)
        {
            float *joined = malloc(sizeof(float) * (size_t)all.height * (size_t)(joined_size + width) + 1);
            if (!joined) {
#pragma omp atomic write
                failed = 1;
            }
            float *sums = joined + (long)all.height * joined_size;
            for (int index = omp_get_thread_num(); joined && index < all.blocks; index += omp_get_num_threads()) {
                const Block block = block_of(&all, index);
                for (int r = 0; r < block.count; r++)
                    memcpy(joined + (long)r * joined_size + inputs, first_h + (long)block.rows[r].row * size, bytes);
                for (int t = 0; t < longest(block); t++) {
                    const int real = real_at(block, t);
                    for (int r = 0; inputs && r < real; r++) {
                        const long at = position(direction, block.rows[r], t);
                        memcpy(joined + (long)r * joined_size, x + at * inputs, sizeof(float) * (size_t)inputs);
                    }
                    product(real, joined_size, width, joined, joined_size, packed, sums, width, 0);
                    for (int r = 0; r < real; r++) {
                        const long row = block.rows[r].row, at = position(direction, block.rows[r], t);
                        float *gates = saved + (t * (long)batch + row) * 5 * size,
                              *h = joined + (long)r * joined_size + inputs;
                        step_of_row(
                            size, sums + (long)r * width, bias, projected_at(table, at), last_c + row * size, gates, h);
                        memcpy(outputs + at * out_row, h, bytes);
                    }
                }
                for (int r = 0; r < block.count; r++) {
                    memcpy(last_h + (long)block.rows[r].row * size, joined + (long)r * joined_size + inputs, bytes);
                    clear_padding(direction, block.rows[r], size, outputs);
                }
            }
            free(joined);
        }
    }
    free(packed);
    free(all.rows);
    return failed;
}

/* grad_h, grad_c [B, H]: the gradients of the last state, overwritten with those of the first. grad_x [B, S, I] may be
   NULL if it is not needed; with `add`, it is added to. grad_projected, grad_weights [I + H, 4H] and grad_bias [4H]
   start at zero. */
int seqtool_lstm_backward(
    int64_t batch, int64_t steps, int64_t inputs, int64_t size, int64_t reversed, int64_t out_row, int64_t add,
    int64_t symbols, const int64_t *lengths, const float *x, const int64_t *ids, const float *weights,
    const float *first_h, const float *first_c, const float *saved, const float *outputs, const float *grad_outputs,
    float *grad_h, float *grad_c, float *grad_x, float *grad_projected, float *grad_weights, float *grad_bias,
    int64_t threads) {
    const Direction direction = {steps, reversed, out_row};
    const Table table = {ids, NULL, symbols, 4 * size};
    const int width = 4 * size, joined_size = inputs + size;
    const size_t bytes = sizeof(float) * (size_t)size;
    /* without the gradient of x, only U is multiplied */
    const int skipped = grad_x ? 0 : inputs, wanted = joined_size - skipped;
    Blocks all = new_blocks(batch, steps, lengths, threads);
    float *packed = new_packed(width, wanted);
    GradientBuffer *buffers = calloc((size_t)threads, sizeof(GradientBuffer));
    float *thread_sums = new_grad_projected(table, threads);
    int failed = !packed || !all.rows || !buffers || (ids && !thread_sums);
    if (!failed) {
        pack(weights + skipped, joined_size, 1, width, wanted, packed);
#pragma omp parallel num_threads(threads)
        {
            GradientBuffer *buffer = buffers + omp_get_thread_num();
            *buffer = new_gradient_buffer(all.height, joined_size, width);
            float *grad_joined = malloc(sizeof(float) * (size_t)all.height * (size_t)wanted + 1);
            const int ready = buffer->in && grad_joined;
            if (!ready) {
#pragma omp atomic write
                failed = 1;
            }
            for (int index = omp_get_thread_num(); ready && index < all.blocks; index += omp_get_num_threads()) {
                const Block block = block_of(&all, index);
                float *grad_hs = grad_joined + inputs - skipped;
                for (int r = 0; r < block.count; r++) {
                    const long row = block.rows[r].row, length = block.rows[r].length;
                    memcpy(grad_hs + (long)r * wanted, grad_h + row * size, bytes);
                    if (grad_x && !add)
                        memset(
                            grad_x + (row * steps + length) * inputs, 0,
                            sizeof(float) * (size_t)inputs * (size_t)(steps - length));
                }
                for (int t = longest(block) - 1; t >= 0; t--) {
                    const int real = real_at(block, t);
                    float *in, *out;
                    next_rows(buffer, real, &in, &out);
                    for (int r = 0; r < real; r++) {
                        const long row = block.rows[r].row, at = position(direction, block.rows[r], t);
                        const float *gate = saved + (t * (long)batch + row) * 5 * size;
                        const float *incoming = grad_outputs + at * out_row;
                        const float *before = t ? gate - (5 * (long)batch - 4) * size : first_c + row * size;
                        const float *h =
                            t ? outputs + position(direction, block.rows[r], t - 1) * out_row : first_h + row * size;
                        if (t > 0) prefetch(gate - 5 * (long)batch * size, 4 * size);
                        if (t > 0) prefetch(grad_outputs + position(direction, block.rows[r], t - 1) * out_row, size);
                        if (t > 1) prefetch(before - 5 * (long)batch * size, size);
                        if (t > 1) prefetch(outputs + position(direction, block.rows[r], t - 2) * out_row, size);
                        float *grad_gate = out + (long)r * width, *dh = grad_hs + (long)r * wanted;
                        copy_or_add(size, incoming, 1, dh);
                        lstm_backward(size, gate, before, gate + 4 * size, dh, grad_c + row * size, grad_gate);
                        if (inputs) memcpy(in + (long)r * joined_size, x + at * inputs, sizeof(float) * (size_t)inputs);
                        if (ids)
                            copy_or_add(
                                width, grad_gate, 1, grad_projected_at(table, thread_sums, omp_get_thread_num(), at));
                        memcpy(in + (long)r * joined_size + inputs, h, bytes);
                    }
                    product(real, width, wanted, out, width, packed, grad_joined, wanted, 0);
                    for (int r = 0; grad_x && r < real; r++) {
                        const long at = position(direction, block.rows[r], t);
                        copy_or_add(inputs, grad_joined + (long)r * wanted, add, grad_x + at * inputs);
                    }
                }
                for (int r = 0; r < block.count; r++)
                    memcpy(grad_h + (long)block.rows[r].row * size, grad_hs + (long)r * wanted, bytes);
            }
            free(grad_joined);
        }
    }
    if (buffers) reduce_buffers(buffers, threads, grad_weights, grad_bias);
    if (thread_sums) reduce_projected(table, thread_sums, threads, grad_projected);
    free(thread_sums);
    free(buffers);
    free(packed);
    free(all.rows);
    return failed;
}
