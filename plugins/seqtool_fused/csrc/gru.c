/* All steps of a GRU, forward and backward. Gates are in the order r, z, n, as in torch.

   B rows, S steps, I inputs, H units. With `ids`, I is 0, x is NULL, and `projected` [symbols, 3H] is W x of each
   symbol. Every function returns 0, or 1 if memory runs out. */
#include "gradient.h"
#include "rows.h"
#include "vector_math.h"

/* One row of a step, from W x and U h, biases not yet added. Updates h in place. */
static void step_of_row(
    int size, const float *from_x, const float *from_h, const float *bias_ih, const float *bias_hh, float *saved,
    float *h) {
    for (int k = 0; k < size; k += LANES) {
        const int n = size - k;
        vec a[3], b[3];
        for (int m = 0; m < 3; m++) {
            const int at = m * size + k;
            a[m] = load_partial(from_x + at, n) + load_partial(bias_ih + at, n);
            b[m] = load_partial(from_h + at, n) + load_partial(bias_hh + at, n);
        }
        vec r = vec_sigmoid(a[0] + b[0]), z = vec_sigmoid(a[1] + b[1]), new = accurate_tanh(a[2] + r * b[2]);
        vec all[] = {r, z, new, b[2]};
        for (int m = 0; m < 4; m++) store_partial(saved + m * size + k, all[m], n);
        store_partial(h + k, new + z *(load_partial(h + k, n) - new), n);
    }
}

/* saved [S, B, 4H]: r, z, n and U_n h + b_hn, for the backward pass. */
int seqtool_gru_forward(
    int64_t batch, int64_t steps, int64_t inputs, int64_t size, int64_t reversed, int64_t out_row, int64_t symbols,
    const int64_t *lengths, const float *x, const int64_t *ids, const float *projected, const float *weight_ih,
    const float *weight_hh, const float *bias_ih, const float *bias_hh, const float *first_h, float *saved,
    float *outputs, float *last_h, int64_t threads) {
    const Direction direction = {steps, reversed, out_row};
    const Table table = {ids, projected, symbols, 3 * size};
    const int width = 3 * size;
    const size_t bytes = sizeof(float) * (size_t)size;
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
            float *hs = own + (long)all.height * inputs, *sums_x = hs + (long)all.height * size;
            float *sums_h = sums_x + (long)all.height * width;
            for (int index = omp_get_thread_num(); own && index < all.blocks; index += omp_get_num_threads()) {
                const Block block = block_of(&all, index);
                for (int r = 0; r < block.count; r++)
                    memcpy(hs + (long)r * size, first_h + (long)block.rows[r].row * size, bytes);
                for (int t = 0; t < longest(block); t++) {
                    const int real = real_at(block, t);
                    for (int r = 0; inputs && r < real; r++) {
                        const long at = position(direction, block.rows[r], t);
                        memcpy(own + (long)r * inputs, x + at * inputs, sizeof(float) * (size_t)inputs);
                    }
                    if (inputs) product(real, inputs, width, own, inputs, packed_ih, sums_x, width, 0);
                    product(real, size, width, hs, size, packed_hh, sums_h, width, 0);
                    for (int row = 0; row < real; row++) {
                        const long from = block.rows[row].row, at = position(direction, block.rows[row], t);
                        const float *b = sums_h + (long)row * width;
                        const float *a = ids ? projected_at(table, at) : sums_x + (long)row * width;
                        float *gates = saved + (t * (long)batch + from) * 4 * size, *h = hs + (long)row * size;
                        step_of_row(size, a, b, bias_ih, bias_hh, gates, h);
                        memcpy(outputs + at * out_row, h, bytes);
                    }
                }
                for (int r = 0; r < block.count; r++) {
                    memcpy(last_h + (long)block.rows[r].row * size, hs + (long)r * size, bytes);
                    clear_padding(direction, block.rows[r], size, outputs);
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

/* grad_h [B, H]: the gradient of the last state, overwritten with that of the first. grad_x [B, S, I] may be NULL if it
   is not needed; with `add`, it is added to. grad_projected and the gradients of the weights [I, 3H] and [H, 3H] and of
   the biases start at zero. */
int seqtool_gru_backward(
    int64_t batch, int64_t steps, int64_t inputs, int64_t size, int64_t reversed, int64_t out_row, int64_t add,
    int64_t symbols, const int64_t *lengths, const float *x, const int64_t *ids, const float *weight_ih,
    const float *weight_hh, const float *first_h, const float *saved, const float *outputs, const float *grad_outputs,
    float *grad_h, float *grad_x, float *grad_projected, float *grad_weight_ih, float *grad_weight_hh,
    float *grad_bias_ih, float *grad_bias_hh, int64_t threads) {
    const Direction direction = {steps, reversed, out_row};
    const Table table = {ids, NULL, symbols, 3 * size};
    const int width = 3 * size;
    const size_t bytes = sizeof(float) * (size_t)size, bytes_x = sizeof(float) * (size_t)inputs;
    Blocks all = new_blocks(batch, steps, lengths, threads);
    float *packed_ih = new_packed(width, inputs), *packed_hh = new_packed(width, size);
    GradientBuffer *buffers_x = calloc(2 * (size_t)threads, sizeof(GradientBuffer)), *buffers_h = buffers_x + threads;
    float *thread_sums = new_grad_projected(table, threads);
    int failed = !packed_ih || !packed_hh || !all.rows || !buffers_x || (ids && !thread_sums);
    if (!failed) {
        pack(weight_ih, inputs, 1, width, inputs, packed_ih);
        pack(weight_hh, size, 1, width, size, packed_hh);
#pragma omp parallel num_threads(threads)
        {
            GradientBuffer *buffer_x = buffers_x + omp_get_thread_num(), *buffer_h = buffers_h + omp_get_thread_num();
            *buffer_x = new_gradient_buffer(all.height, inputs, width);
            *buffer_h = new_gradient_buffer(all.height, size, width);
            float *own = malloc(sizeof(float) * (size_t)all.height * (size_t)(inputs + size) + 1);
            const int ready = buffer_x->in && buffer_h->in && own;
            if (!ready) {
#pragma omp atomic write
                failed = 1;
            }
            float *grad_xs = own + (long)all.height * size;
            for (int index = omp_get_thread_num(); ready && index < all.blocks; index += omp_get_num_threads()) {
                const Block block = block_of(&all, index);
                for (int r = 0; r < block.count; r++) {
                    const long row = block.rows[r].row, length = block.rows[r].length;
                    memcpy(own + (long)r * size, grad_h + row * size, bytes);
                    if (grad_x && !add)
                        memset(grad_x + (row * steps + length) * inputs, 0, bytes_x * (size_t)(steps - length));
                }
                for (int t = longest(block) - 1; t >= 0; t--) {
                    const int real = real_at(block, t);
                    float *xs, *hs, *grad_sums_x, *grad_sums_h;
                    next_rows(buffer_x, real, &xs, &grad_sums_x);
                    next_rows(buffer_h, real, &hs, &grad_sums_h);
                    for (int row = 0; row < real; row++) {
                        const long from = block.rows[row].row, at = position(direction, block.rows[row], t);
                        const float *gate = saved + (t * (long)batch + from) * 4 * size;
                        const float *incoming = grad_outputs + at * out_row;
                        const float *before =
                            t ? outputs + position(direction, block.rows[row], t - 1) * out_row : first_h + from * size;
                        if (t > 0) prefetch(gate - 4 * (long)batch * size, 4 * size);
                        if (t > 0) prefetch(grad_outputs + position(direction, block.rows[row], t - 1) * out_row, size);
                        if (t > 1) prefetch(outputs + position(direction, block.rows[row], t - 2) * out_row, size);
                        float *restrict dh = own + (long)row * size, *restrict da = grad_sums_x + (long)row * width;
                        float *restrict db = grad_sums_h + (long)row * width;
#pragma omp simd
                        for (int k = 0; k < size; k++) {
                            float r = gate[k], z = gate[size + k], n = gate[2 * size + k], old = gate[3 * size + k];
                            float grad_output = incoming[k] + dh[k];
                            float grad_n = grad_output * (1 - z) * (1 - n * n);
                            da[k] = db[k] = grad_n * old * r * (1 - r);
                            da[size + k] = db[size + k] = grad_output * (before[k] - n) * z * (1 - z);
                            da[2 * size + k] = grad_n;
                            db[2 * size + k] = grad_n * r;
                            dh[k] = grad_output * z;
                        }
                        if (inputs) memcpy(xs + (long)row * inputs, x + at * inputs, bytes_x);
                        if (ids)
                            copy_or_add(width, da, 1, grad_projected_at(table, thread_sums, omp_get_thread_num(), at));
                        memcpy(hs + (long)row * size, before, bytes);
                    }
                    product(real, width, size, grad_sums_h, width, packed_hh, own, size, 1);
                    if (!grad_x) continue;
                    product(real, width, inputs, grad_sums_x, width, packed_ih, grad_xs, inputs, 0);
                    for (int r = 0; r < real; r++)
                        copy_or_add(
                            inputs, grad_xs + (long)r * inputs, add,
                            grad_x + position(direction, block.rows[r], t) * inputs);
                }
                for (int r = 0; r < block.count; r++)
                    memcpy(grad_h + (long)block.rows[r].row * size, own + (long)r * size, bytes);
            }
            free(own);
        }
    }
    if (buffers_x) {
        reduce_buffers(buffers_x, threads, grad_weight_ih, grad_bias_ih);
        reduce_buffers(buffers_h, threads, grad_weight_hh, grad_bias_hh);
    }
    if (thread_sums) reduce_projected(table, thread_sums, threads, grad_projected);
    free(thread_sums);
    free(buffers_x);
    free(packed_ih);
    free(packed_hh);
    free(all.rows);
    return failed;
}
