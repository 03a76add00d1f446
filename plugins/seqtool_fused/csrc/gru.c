/* All steps of a GRU, forward and backward. Gates stand as r, z, n, torch's layout.

   B rows, S steps, inputs of I, H units. With `ids` I is 0, x is NULL, and `mapped` [symbols, 3H] is W x of each symbol.
   Every function returns 0, or 1 without memory. */
#include "gradient.h"
#include "rows.h"
#include "wide.h"

/* From the sums of what x and h give on; h in and out. */
static void step_of_row(
    int size, const float *from_x, const float *from_h, const float *bias_ih, const float *bias_hh, float *kept,
    float *h) {
    for (int k = 0; k < size; k += LANES) {
        const int n = size - k;
        wide a[3], b[3];
        for (int m = 0; m < 3; m++) {
            const int at = m * size + k;
            a[m] = load_some(from_x + at, n) + load_some(bias_ih + at, n);
            b[m] = load_some(from_h + at, n) + load_some(bias_hh + at, n);
        }
        wide r = wide_sigmoid(a[0] + b[0]), z = wide_sigmoid(a[1] + b[1]), new = sharp_tanh(a[2] + r * b[2]);
        wide all[] = {r, z, new, b[2]};
        for (int m = 0; m < 4; m++) store_some(kept + m * size + k, all[m], n);
        store_some(h + k, new + z * (load_some(h + k, n) - new), n);
    }
}

/* kept [S, B, 4H]: r, z, n and U_n h + b_hn, for the way back. */
int seqtool_gru_forward(
    int64_t batch, int64_t steps, int64_t inputs, int64_t size, int64_t reversed, int64_t out_row, int64_t symbols, const int64_t *lengths,
    const float *x, const int64_t *ids, const float *mapped, const float *weight_ih, const float *weight_hh,
    const float *bias_ih, const float *bias_hh, const float *first_h, float *kept, float *outputs, float *last_h,
    int64_t threads) {
    const Way way = {steps, reversed, out_row};
    const Table table = {ids, mapped, symbols, 3 * size};
    const int width = 3 * size;
    const size_t room = sizeof(float) * (size_t)size;
    Blocks all = new_blocks(batch, steps, lengths, threads);
    float *packed_ih = new_packed(inputs, width), *packed_hh = new_packed(size, width);
    int failed = !packed_ih || !packed_hh || !all.rows;
    if (!failed) {
        pack(weight_ih, 1, inputs, inputs, width, packed_ih);
        pack(weight_hh, 1, size, size, width, packed_hh);
#pragma omp parallel num_threads(threads)
        {
            float *own = malloc(sizeof(float) * (size_t)all.height * (size_t)(inputs + size + 2 * width) + 1);
            if (!own) {
#pragma omp atomic write
                failed = 1;
            }
            float *hs = own + (long)all.height * inputs, *seen = hs + (long)all.height * size;
            float *remembered = seen + (long)all.height * width;
            for (int index = omp_get_thread_num(); own && index < all.blocks; index += omp_get_num_threads()) {
                const Block block = block_of(&all, index);
                for (int r = 0; r < block.count; r++)
                    memcpy(hs + (long)r * size, first_h + (long)block.rows[r].row * size, room);
                for (int t = 0; t < longest(block); t++) {
                    const int real = real_at(block, t);
                    for (int r = 0; inputs && r < real; r++) {
                        const long at = position(way, block.rows[r], t);
                        memcpy(own + (long)r * inputs, x + at * inputs, sizeof(float) * (size_t)inputs);
                    }
                    if (inputs) product(real, inputs, width, own, inputs, packed_ih, seen, width, 0);
                    product(real, size, width, hs, size, packed_hh, remembered, width, 0);
                    for (int row = 0; row < real; row++) {
                        const long from = block.rows[row].row, at = position(way, block.rows[row], t);
                        const float *b = remembered + (long)row * width;
                        const float *a = ids ? mapped_at(table, at) : seen + (long)row * width;
                        float *gates = kept + (t * (long)batch + from) * 4 * size, *h = hs + (long)row * size;
                        step_of_row(size, a, b, bias_ih, bias_hh, gates, h);
                        memcpy(outputs + at * out_row, h, room);
                    }
                }
                for (int r = 0; r < block.count; r++) {
                    memcpy(last_h + (long)block.rows[r].row * size, hs + (long)r * size, room);
                    clear_padding(way, block.rows[r], size, outputs);
                }
            }
            free(own);
        }
    }
    free(packed_ih);
    free(packed_hh);
    free(all.rows);
    return failed;
}

/* of_h [B, H]: in the gradient of the last state, out that of the first. of_x [B, S, I] may be NULL where nobody asks,
   and is added to with `add`; of_mapped, those of the weights, [I, 3H] and [H, 3H], and of the biases are zero before. */
int seqtool_gru_backward(
    int64_t batch, int64_t steps, int64_t inputs, int64_t size, int64_t reversed, int64_t out_row, int64_t add, int64_t symbols,
    const int64_t *lengths, const float *x, const int64_t *ids, const float *weight_ih, const float *weight_hh,
    const float *first_h, const float *kept, const float *outputs, const float *of_outputs,
    float *of_h, float *of_x, float *of_mapped, float *of_weight_ih, float *of_weight_hh, float *of_bias_ih, float *of_bias_hh,
    int64_t threads) {
    const Way way = {steps, reversed, out_row};
    const Table table = {ids, NULL, symbols, 3 * size};
    const int width = 3 * size;
    const size_t room = sizeof(float) * (size_t)size, wide_x = sizeof(float) * (size_t)inputs;
    Blocks all = new_blocks(batch, steps, lengths, threads);
    float *packed_ih = new_packed(width, inputs), *packed_hh = new_packed(width, size);
    Gathered *from_x = calloc(2 * (size_t)threads, sizeof(Gathered)), *from_h = from_x + threads;
    float *all_mapped = new_of_mapped(table, threads);
    int failed = !packed_ih || !packed_hh || !all.rows || !from_x || (ids && !all_mapped);
    if (!failed) {
        pack(weight_ih, inputs, 1, width, inputs, packed_ih);
        pack(weight_hh, size, 1, width, size, packed_hh);
#pragma omp parallel num_threads(threads)
        {
            Gathered *seen = from_x + omp_get_thread_num(), *remembered = from_h + omp_get_thread_num();
            *seen = new_gathered(all.height, inputs, width);
            *remembered = new_gathered(all.height, size, width);
            float *own = malloc(sizeof(float) * (size_t)all.height * (size_t)(inputs + size) + 1);
            const int ready = seen->in && remembered->in && own;
            if (!ready) {
#pragma omp atomic write
                failed = 1;
            }
            float *of_xs = own + (long)all.height * size;
            for (int index = omp_get_thread_num(); ready && index < all.blocks; index += omp_get_num_threads()) {
                const Block block = block_of(&all, index);
                for (int r = 0; r < block.count; r++) {
                    const long row = block.rows[r].row, length = block.rows[r].length;
                    memcpy(own + (long)r * size, of_h + row * size, room);
                    if (of_x && !add)
                        memset(of_x + (row * steps + length) * inputs, 0, wide_x * (size_t)(steps - length));
                }
                for (int t = longest(block) - 1; t >= 0; t--) {
                    const int real = real_at(block, t);
                    float *xs, *hs, *of_seen, *of_remembered;
                    next_rows(seen, real, &xs, &of_seen);
                    next_rows(remembered, real, &hs, &of_remembered);
                    for (int row = 0; row < real; row++) {
                        const long from = block.rows[row].row, at = position(way, block.rows[row], t);
                        const float *gate = kept + (t * (long)batch + from) * 4 * size;
                        const float *given = of_outputs + at * out_row;
                        const float *before =
                            t ? outputs + position(way, block.rows[row], t - 1) * out_row : first_h + from * size;
                        if (t > 0) soon(gate - 4 * (long)batch * size, 4 * size);
                        if (t > 0) soon(of_outputs + position(way, block.rows[row], t - 1) * out_row, size);
                        if (t > 1) soon(outputs + position(way, block.rows[row], t - 2) * out_row, size);
                        float *restrict dh = own + (long)row * size, *restrict da = of_seen + (long)row * width;
                        float *restrict db = of_remembered + (long)row * width;
#pragma omp simd
                        for (int k = 0; k < size; k++) {
                            float r = gate[k], z = gate[size + k], n = gate[2 * size + k], old = gate[3 * size + k];
                            float of_output = given[k] + dh[k];
                            float of_n = of_output * (1 - z) * (1 - n * n);
                            da[k] = db[k] = of_n * old * r * (1 - r);
                            da[size + k] = db[size + k] = of_output * (before[k] - n) * z * (1 - z);
                            da[2 * size + k] = of_n;
                            db[2 * size + k] = of_n * r;
                            dh[k] = of_output * z;
                        }
                        if (inputs) memcpy(xs + (long)row * inputs, x + at * inputs, wide_x);
                        if (ids) hand_on(width, da, 1, of_mapped_at(table, all_mapped, omp_get_thread_num(), at));
                        memcpy(hs + (long)row * size, before, room);
                    }
                    product(real, width, size, of_remembered, width, packed_hh, own, size, 1);
                    if (!of_x) continue;
                    product(real, width, inputs, of_seen, width, packed_ih, of_xs, inputs, 0);
                    for (int r = 0; r < real; r++)
                        hand_on(inputs, of_xs + (long)r * inputs, add, of_x + position(way, block.rows[r], t) * inputs);
                }
                for (int r = 0; r < block.count; r++)
                    memcpy(of_h + (long)block.rows[r].row * size, own + (long)r * size, room);
            }
            free(own);
        }
    }
    if (from_x) {
        collect(from_x, threads, of_weight_ih, of_bias_ih);
        collect(from_h, threads, of_weight_hh, of_bias_hh);
    }
    if (all_mapped) collect_mapped(table, all_mapped, threads, of_mapped);
    free(all_mapped);
    free(from_x);
    free(packed_ih);
    free(packed_hh);
    free(all.rows);
    return failed;
}
