/* All steps of an LSTM, forward and backward. Gates stand as i, f, g, o, torch's layout.

   B rows, S steps, inputs of I, H units. `weights` [4H, I + H] are W and U side by side, as x and h are here. With `ids`
   I is 0, x is NULL, and `mapped` [symbols, 4H] is W x of each symbol.
   Every function returns 0, or 1 without memory. */
#include "cells.h"
#include "gradient.h"
#include "rows.h"

/* From the gates' sums on, `mapped` among them where it is not NULL; c in and out. */
static void step_of_row(
    int size, const float *sums, const float *bias, const float *mapped, float *c, float *kept, float *h) {
    for (int k = 0; k < size; k += LANES) {
        const int n = size - k;
        wide gates[4];
        for (int m = 0; m < 4; m++) gates[m] = load_some(sums + m * size + k, n) + load_some(bias + m * size + k, n);
        for (int m = 0; mapped && m < 4; m++) gates[m] += load_some(mapped + m * size + k, n);
        wide i = wide_sigmoid(gates[0]), f = wide_sigmoid(gates[1]), o = wide_sigmoid(gates[3]);
        wide g = sharp_tanh(gates[2]), now = f * load_some(c + k, n) + i * g;
        wide all[] = {i, f, g, o, now};
        for (int m = 0; m < 5; m++) store_some(kept + m * size + k, all[m], n);
        store_some(c + k, now, n);
        store_some(h + k, o * sharp_tanh(now), n);
    }
}

/* kept [S, B, 5H]: the gates, then c, for the way back. bias [4H] is the sum of both. */
int seqtool_lstm_forward(
    int64_t batch, int64_t steps, int64_t inputs, int64_t size, int64_t reversed, int64_t out_row, int64_t symbols, const int64_t *lengths,
    const float *x, const int64_t *ids, const float *mapped, const float *weights, const float *bias,
    const float *first_h, const float *first_c, float *kept, float *outputs, float *last_h, float *last_c, int64_t threads) {
    const Way way = {steps, reversed, out_row};
    const Table table = {ids, mapped, symbols, 4 * size};
    const int width = 4 * size, both = inputs + size;
    const size_t room = sizeof(float) * (size_t)size;
    Blocks all = new_blocks(batch, steps, lengths, threads);
    float *packed = new_packed(both, width);
    int failed = !packed || !all.rows;
    if (!failed) {
        pack(weights, 1, both, both, width, packed);
        memcpy(last_c, first_c, room * (size_t)batch);
#pragma omp parallel num_threads(threads)
        {
            float *seen = malloc(sizeof(float) * (size_t)all.height * (size_t)(both + width) + 1);
            if (!seen) {
#pragma omp atomic write
                failed = 1;
            }
            float *sums = seen + (long)all.height * both;
            for (int index = omp_get_thread_num(); seen && index < all.blocks; index += omp_get_num_threads()) {
                const Block block = block_of(&all, index);
                for (int r = 0; r < block.count; r++)
                    memcpy(seen + (long)r * both + inputs, first_h + (long)block.rows[r].row * size, room);
                for (int t = 0; t < longest(block); t++) {
                    const int real = real_at(block, t);
                    for (int r = 0; inputs && r < real; r++) {
                        const long at = position(way, block.rows[r], t);
                        memcpy(seen + (long)r * both, x + at * inputs, sizeof(float) * (size_t)inputs);
                    }
                    product(real, both, width, seen, both, packed, sums, width, 0);
                    for (int r = 0; r < real; r++) {
                        const long row = block.rows[r].row, at = position(way, block.rows[r], t);
                        float *gates = kept + (t * (long)batch + row) * 5 * size, *h = seen + (long)r * both + inputs;
                        step_of_row(size, sums + (long)r * width, bias, mapped_at(table, at), last_c + row * size, gates, h);
                        memcpy(outputs + at * out_row, h, room);
                    }
                }
                for (int r = 0; r < block.count; r++) {
                    memcpy(last_h + (long)block.rows[r].row * size, seen + (long)r * both + inputs, room);
                    clear_padding(way, block.rows[r], size, outputs);
                }
            }
            free(seen);
        }
    }
    free(packed);
    free(all.rows);
    return failed;
}

/* of_h, of_c [B, H]: in the gradients of the last state, out those of the first. of_x [B, S, I] may be NULL where
   nobody asks, and is added to with `add`; of_mapped, of_weights [I + H, 4H] and of_bias [4H] are zero before. */
int seqtool_lstm_backward(
    int64_t batch, int64_t steps, int64_t inputs, int64_t size, int64_t reversed, int64_t out_row, int64_t add, int64_t symbols,
    const int64_t *lengths, const float *x, const int64_t *ids, const float *weights, const float *first_h,
    const float *first_c, const float *kept, const float *outputs, const float *of_outputs, float *of_h, float *of_c,
    float *of_x, float *of_mapped, float *of_weights, float *of_bias, int64_t threads) {
    const Way way = {steps, reversed, out_row};
    const Table table = {ids, NULL, symbols, 4 * size};
    const int width = 4 * size, both = inputs + size;
    const size_t room = sizeof(float) * (size_t)size;
    /* where nobody asks for x's gradient, only U is multiplied with */
    const int skipped = of_x ? 0 : inputs, asked = both - skipped;
    Blocks all = new_blocks(batch, steps, lengths, threads);
    float *packed = new_packed(width, asked);
    Gathered *gathered = calloc((size_t)threads, sizeof(Gathered));
    float *all_mapped = new_of_mapped(table, threads);
    int failed = !packed || !all.rows || !gathered || (ids && !all_mapped);
    if (!failed) {
        pack(weights + skipped, both, 1, width, asked, packed);
#pragma omp parallel num_threads(threads)
        {
            Gathered *some = gathered + omp_get_thread_num();
            *some = new_gathered(all.height, both, width);
            float *of_seen = malloc(sizeof(float) * (size_t)all.height * (size_t)asked + 1);
            const int ready = some->in && of_seen;
            if (!ready) {
#pragma omp atomic write
                failed = 1;
            }
            for (int index = omp_get_thread_num(); ready && index < all.blocks; index += omp_get_num_threads()) {
                const Block block = block_of(&all, index);
                float *of_hs = of_seen + inputs - skipped;
                for (int r = 0; r < block.count; r++) {
                    const long row = block.rows[r].row, length = block.rows[r].length;
                    memcpy(of_hs + (long)r * asked, of_h + row * size, room);
                    if (of_x && !add)
                        memset(
                            of_x + (row * steps + length) * inputs, 0,
                            sizeof(float) * (size_t)inputs * (size_t)(steps - length));
                }
                for (int t = longest(block) - 1; t >= 0; t--) {
                    const int real = real_at(block, t);
                    float *in, *out;
                    next_rows(some, real, &in, &out);
                    for (int r = 0; r < real; r++) {
                        const long row = block.rows[r].row, at = position(way, block.rows[r], t);
                        const float *gate = kept + (t * (long)batch + row) * 5 * size;
                        const float *given = of_outputs + at * out_row;
                        const float *before = t ? gate - (5 * (long)batch - 4) * size : first_c + row * size;
                        const float *h = t ? outputs + position(way, block.rows[r], t - 1) * out_row : first_h + row * size;
                        if (t > 0) soon(gate - 5 * (long)batch * size, 4 * size);
                        if (t > 0) soon(of_outputs + position(way, block.rows[r], t - 1) * out_row, size);
                        if (t > 1) soon(before - 5 * (long)batch * size, size);
                        if (t > 1) soon(outputs + position(way, block.rows[r], t - 2) * out_row, size);
                        float *of_gate = out + (long)r * width, *dh = of_hs + (long)r * asked;
                        hand_on(size, given, 1, dh);
                        lstm_backward(size, gate, before, gate + 4 * size, dh, of_c + row * size, of_gate);
                        if (inputs) memcpy(in + (long)r * both, x + at * inputs, sizeof(float) * (size_t)inputs);
                        if (ids) hand_on(width, of_gate, 1, of_mapped_at(table, all_mapped, omp_get_thread_num(), at));
                        memcpy(in + (long)r * both + inputs, h, room);
                    }
                    product(real, width, asked, out, width, packed, of_seen, asked, 0);
                    for (int r = 0; of_x && r < real; r++) {
                        const long at = position(way, block.rows[r], t);
                        hand_on(inputs, of_seen + (long)r * asked, add, of_x + at * inputs);
                    }
                }
                for (int r = 0; r < block.count; r++)
                    memcpy(of_h + (long)block.rows[r].row * size, of_hs + (long)r * asked, room);
            }
            free(of_seen);
        }
    }
    if (gathered) collect(gathered, threads, of_weights, of_bias);
    if (all_mapped) collect_mapped(table, all_mapped, threads, of_mapped);
    free(all_mapped);
    free(gathered);
    free(packed);
    free(all.rows);
    return failed;
}
