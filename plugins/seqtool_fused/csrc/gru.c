/* All steps of a GRU, forward and backward. Gates stand as r, z, n, torch's layout.

   B rows, S steps, inputs of I, H units. Every function returns 0, or 1 without memory. */
#include "gradient.h"
#include "rows.h"

/* kept [B, S, 4H]: r, z, n and U_n h + b_hn, for the way back. */
int seqtool_gru_forward(
    int batch, int steps, int inputs, int size, const int64_t *lengths, const float *x, const float *weight_ih,
    const float *weight_hh, const float *bias_ih, const float *bias_hh, const float *first_h, float *kept,
    float *outputs, float *last_h, int threads) {
    const int wide = 3 * size;
    const size_t room = sizeof(float) * (size_t)size;
    Blocks all = new_blocks(batch, steps, lengths, threads);
    float *packed_ih = new_packed(inputs, wide), *packed_hh = new_packed(size, wide);
    int failed = !packed_ih || !packed_hh || !all.rows;
    if (!failed) {
        pack(weight_ih, 1, inputs, inputs, wide, packed_ih);
        pack(weight_hh, 1, size, size, wide, packed_hh);
#pragma omp parallel num_threads(threads)
        {
            float *own = malloc(sizeof(float) * (size_t)all.height * (size_t)(inputs + size + 2 * wide) + 1);
            if (!own) {
#pragma omp atomic write
                failed = 1;
            }
            float *hs = own + (long)all.height * inputs, *seen = hs + (long)all.height * size;
            float *remembered = seen + (long)all.height * wide;
            for (int index = omp_get_thread_num(); own && index < all.blocks; index += omp_get_num_threads()) {
                const Block block = block_of(&all, index);
                for (int r = 0; r < block.count; r++)
                    memcpy(hs + (long)r * size, first_h + (long)block.rows[r].row * size, room);
                for (int t = 0; t < longest(block); t++) {
                    const int real = real_at(block, t);
                    for (int r = 0; r < real; r++) {
                        const long at = (long)block.rows[r].row * steps + t;
                        memcpy(own + (long)r * inputs, x + at * inputs, sizeof(float) * (size_t)inputs);
                    }
                    product(real, inputs, wide, own, inputs, packed_ih, seen, wide, 0);
                    product(real, size, wide, hs, size, packed_hh, remembered, wide, 0);
                    for (int row = 0; row < real; row++) {
                        const long at = (long)block.rows[row].row * steps + t;
                        const float *restrict a = seen + (long)row * wide, *restrict b = remembered + (long)row * wide;
                        float *restrict gate = kept + at * 4 * size, *restrict output = outputs + at * size;
                        float *restrict h = hs + (long)row * size;
#pragma omp simd
                        for (int k = 0; k < size; k++) {
                            float r = fast_sigmoid(a[k] + bias_ih[k] + (b[k] + bias_hh[k]));
                            float z = fast_sigmoid(
                                a[size + k] + bias_ih[size + k] + (b[size + k] + bias_hh[size + k]));
                            float old = b[2 * size + k] + bias_hh[2 * size + k];
                            float n = fast_tanh(a[2 * size + k] + bias_ih[2 * size + k] + r * old);
                            gate[k] = r, gate[size + k] = z, gate[2 * size + k] = n, gate[3 * size + k] = old;
                            h[k] = output[k] = n + z * (h[k] - n);
                        }
                    }
                }
                for (int r = 0; r < block.count; r++) {
                    const long row = block.rows[r].row, length = block.rows[r].length;
                    memcpy(last_h + row * size, hs + (long)r * size, room);
                    memset(outputs + (row * steps + length) * size, 0, room * (size_t)(steps - length));
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

/* of_h [B, H]: in the gradient of the last state, out that of the first. of_x [B, S, I] may be NULL where nobody asks;
   those of the weights, [I, 3H] and [H, 3H], and of the biases are zero before. */
int seqtool_gru_backward(
    int batch, int steps, int inputs, int size, const int64_t *lengths, const float *x, const float *weight_ih,
    const float *weight_hh, const float *first_h, const float *kept, const float *outputs, const float *of_outputs,
    float *of_h, float *of_x, float *of_weight_ih, float *of_weight_hh, float *of_bias_ih, float *of_bias_hh,
    int threads) {
    const int wide = 3 * size;
    const size_t room = sizeof(float) * (size_t)size, wide_x = sizeof(float) * (size_t)inputs;
    Blocks all = new_blocks(batch, steps, lengths, threads);
    float *packed_ih = new_packed(wide, inputs), *packed_hh = new_packed(wide, size);
    Gathered *from_x = calloc(2 * (size_t)threads, sizeof(Gathered)), *from_h = from_x + threads;
    int failed = !packed_ih || !packed_hh || !all.rows || !from_x;
    if (!failed) {
        pack(weight_ih, inputs, 1, wide, inputs, packed_ih);
        pack(weight_hh, size, 1, wide, size, packed_hh);
#pragma omp parallel num_threads(threads)
        {
            Gathered *seen = from_x + omp_get_thread_num(), *remembered = from_h + omp_get_thread_num();
            *seen = new_gathered(all.height, inputs, wide);
            *remembered = new_gathered(all.height, size, wide);
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
                    if (of_x) memset(of_x + (row * steps + length) * inputs, 0, wide_x * (size_t)(steps - length));
                }
                for (int t = longest(block) - 1; t >= 0; t--) {
                    const int real = real_at(block, t);
                    float *xs, *hs, *of_seen, *of_remembered;
                    next_rows(seen, real, &xs, &of_seen);
                    next_rows(remembered, real, &hs, &of_remembered);
                    for (int row = 0; row < real; row++) {
                        const long from = block.rows[row].row, at = from * steps + t;
                        const float *gate = kept + at * 4 * size, *given = of_outputs + at * size;
                        const float *before = t ? outputs + (at - 1) * size : first_h + from * size;
                        float *restrict dh = own + (long)row * size;
                        float *restrict da = of_seen + (long)row * wide, *restrict db = of_remembered + (long)row * wide;
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
                        memcpy(xs + (long)row * inputs, x + at * inputs, wide_x);
                        memcpy(hs + (long)row * size, before, room);
                    }
                    product(real, wide, size, of_remembered, wide, packed_hh, own, size, 1);
                    if (!of_x) continue;
                    product(real, wide, inputs, of_seen, wide, packed_ih, of_xs, inputs, 0);
                    for (int r = 0; r < real; r++)
                        memcpy(
                            of_x + ((long)block.rows[r].row * steps + t) * inputs, of_xs + (long)r * inputs, wide_x);
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
    free(from_x);
    free(packed_ih);
    free(packed_hh);
    free(all.rows);
    return failed;
}
