/* All steps of an LSTM, forward and backward. Gates stand as i, f, g, o, torch's layout.

   B rows, S steps, H units. Rows are shared out to threads, each of which takes its own through all steps. */
#include "product.h"
#include "rows.h"

/* gates [B, S, 4H]: in W x + b, out the gates themselves. Returns 0, or 1 without memory. */
int seqtool_lstm_forward(
    int batch, int steps, int size, const int64_t *lengths, const float *weight_hh, const float *first_h,
    const float *first_c, float *gates, float *cells, float *squashed, float *outputs, float *last_h, float *last_c,
    int threads) {
    const long wide = 4L * size;
    float *packed = new_packed(size, 4 * size);
    if (!packed) return 1;
    pack(weight_hh, 1, size, size, 4 * size, packed);
    memcpy(last_h, first_h, sizeof(float) * (size_t)batch * (size_t)size);
    memcpy(last_c, first_c, sizeof(float) * (size_t)batch * (size_t)size);
#pragma omp parallel num_threads(threads)
    {
        Rows mine = own_rows(batch);
        for (int t = 0; t < steps; t++) {
            Rows real = real_rows(lengths, mine, t);
            product(
                real.count, size, 4 * size, last_h + (long)real.first * size, size, packed,
                gates + ((long)real.first * steps + t) * wide, steps * wide, 1);
            for (int row = mine.first; row < mine.first + mine.count; row++) {
                const long at = (long)row * steps + t;
                float *restrict output = outputs + at * size;
                if (!is_real(lengths, row, t)) {
                    memset(output, 0, sizeof(float) * (size_t)size);
                    continue;
                }
                float *restrict gate = gates + at * wide, *restrict cell = cells + at * size;
                float *restrict tanh_c = squashed + at * size;
                float *restrict h = last_h + (long)row * size, *restrict c = last_c + (long)row * size;
#pragma omp simd
                for (int k = 0; k < size; k++) {
                    float i = fast_sigmoid(gate[k]), f = fast_sigmoid(gate[size + k]);
                    float g = fast_tanh(gate[2 * size + k]), o = fast_sigmoid(gate[3 * size + k]);
                    float now = f * c[k] + i * g, squeezed = fast_tanh(now);
                    gate[k] = i, gate[size + k] = f, gate[2 * size + k] = g, gate[3 * size + k] = o;
                    c[k] = cell[k] = now;
                    tanh_c[k] = squeezed;
                    h[k] = output[k] = o * squeezed;
                }
            }
        }
    }
    free(packed);
    return 0;
}

/* of_h, of_c [B, H]: in the gradients of the last state, out those of the first. of_gates [B, S, 4H]: those of
   W x + U h + b. Returns 0, or 1 without memory. */
int seqtool_lstm_backward(
    int batch, int steps, int size, const int64_t *lengths, const float *weight_hh, const float *first_c,
    const float *gates, const float *cells, const float *squashed, const float *of_outputs, float *of_gates, float *of_h,
    float *of_c, int threads) {
    const long wide = 4L * size;
    float *packed = new_packed(4 * size, size);
    if (!packed) return 1;
    pack(weight_hh, size, 1, 4 * size, size, packed);
#pragma omp parallel num_threads(threads)
    {
        Rows mine = own_rows(batch);
        for (int t = steps - 1; t >= 0; t--) {
            for (int row = mine.first; row < mine.first + mine.count; row++) {
                const long at = (long)row * steps + t;
                float *restrict of_gate = of_gates + at * wide;
                if (!is_real(lengths, row, t)) {
                    memset(of_gate, 0, sizeof(float) * (size_t)wide);
                    continue;
                }
                const float *gate = gates + at * wide, *tanh_c = squashed + at * size, *given = of_outputs + at * size;
                const float *before = t ? cells + (at - 1) * size : first_c + (long)row * size;
                float *restrict dh = of_h + (long)row * size, *restrict dc = of_c + (long)row * size;
#pragma omp simd
                for (int k = 0; k < size; k++) {
                    float i = gate[k], f = gate[size + k], g = gate[2 * size + k], o = gate[3 * size + k];
                    float s = tanh_c[k], of_output = given[k] + dh[k];
                    float of_cell = dc[k] + of_output * o * (1 - s * s);
                    of_gate[k] = of_cell * g * i * (1 - i);
                    of_gate[size + k] = of_cell * before[k] * f * (1 - f);
                    of_gate[2 * size + k] = of_cell * i * (1 - g * g);
                    of_gate[3 * size + k] = of_output * s * o * (1 - o);
                    dc[k] = of_cell * f;
                    dh[k] = 0;
                }
            }
            Rows real = real_rows(lengths, mine, t);
            product(
                real.count, 4 * size, size, of_gates + ((long)real.first * steps + t) * wide, steps * wide, packed,
                of_h + (long)real.first * size, size, 1);
        }
    }
    free(packed);
    return 0;
}
