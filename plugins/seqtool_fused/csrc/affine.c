/* y = W x + b for many rows of few numbers, such as the keys of a memory, and its gradient: some tens to hundreds of
   columns, where a general library is far from what the machine can do.

   x [rows, inputs], weight [outputs, inputs], bias [outputs] or NULL. Every function returns 0, or 1 without memory. */
#include "product.h"
#include "threads.h"

#define CHUNK 96 /* rows that are gone through at once: they stay near */

int seqtool_affine_forward(
    int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *weight, const float *bias, float *y,
    int64_t threads) {
    float *packed = new_packed((int)inputs, (int)outputs);
    if (!packed) return 1;
    pack(weight, 1, inputs, (int)inputs, (int)outputs, packed);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t first = 0; first < rows; first += CHUNK) {
        const int count = rows - first < CHUNK ? (int)(rows - first) : CHUNK;
        float *to = y + first * outputs;
        for (int r = 0; bias && r < count; r++) memcpy(to + r * outputs, bias, sizeof(float) * (size_t)outputs);
        product(count, (int)inputs, (int)outputs, x + first * inputs, inputs, packed, to, outputs, bias != NULL);
    }
    free(packed);
    return 0;
}

/* of_x may be NULL where nobody asks. of_weight [outputs, inputs] and of_bias [outputs] are zero before. */
int seqtool_affine_backward(
    int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *weight, const float *of_y, float *of_x,
    float *of_weight, float *of_bias, int64_t threads) {
    const size_t shared = (size_t)outputs * (size_t)rounded_up((int)inputs);
    const size_t chunk = (size_t)CHUNK * (size_t)rounded_up((int)inputs), sums = (size_t)outputs * (size_t)(inputs + 1);
    float *room = calloc(shared + (size_t)threads * (chunk + sums) + 1, sizeof(float));
    if (!room) return 1;
    pack(weight, inputs, 1, (int)outputs, (int)inputs, room);
#pragma omp parallel num_threads(threads)
    {
        float *packed = room + shared + (size_t)omp_get_thread_num() * (chunk + sums), *own = packed + chunk;
        float *own_bias = own + outputs * inputs;
#pragma omp for schedule(static)
        for (int64_t first = 0; first < rows; first += CHUNK) {
            const int count = rows - first < CHUNK ? (int)(rows - first) : CHUNK;
            const float *of = of_y + first * outputs;
            if (of_x) product(count, (int)outputs, (int)inputs, of, outputs, room, of_x + first * inputs, inputs, 0);
            pack(x + first * inputs, inputs, 1, count, (int)inputs, packed);
            turned_product((int)outputs, count, (int)inputs, of, outputs, packed, own, inputs);
            for (int r = 0; r < count; r++)
                for (int64_t k = 0; k < outputs; k++) own_bias[k] += of[r * outputs + k];
        }
    }
    for (int64_t thread = 0; thread < threads; thread++) { /* in their order, so that equal runs give equal numbers */
        const float *own = room + shared + (size_t)thread * (chunk + sums) + chunk;
        for (int64_t k = 0; k < outputs * inputs; k++) of_weight[k] += own[k];
        for (int64_t k = 0; k < outputs; k++) of_bias[k] += own[outputs * inputs + k];
    }
    free(room);
    return 0;
}
