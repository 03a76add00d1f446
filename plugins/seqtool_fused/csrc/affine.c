/* y = W x + b and its gradient for many short rows, such as the keys of a memory: some tens to hundreds of columns,
   where general libraries are far from peak speed.

   x [rows, inputs], weight [outputs, inputs], bias [outputs] or NULL. Every function returns 0, or 1 if memory runs
   out. */
#include "product.h"
#include "threads.h"

#define CHUNK 96 /* rows per pass, few enough to stay in cache */

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

/* grad_x may be NULL if it is not needed. grad_weight [outputs, inputs] and grad_bias [outputs] start at zero. */
int seqtool_affine_backward(
    int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *weight, const float *grad_y,
    float *grad_x, float *grad_weight, float *grad_bias, int64_t threads) {
    const size_t shared = (size_t)outputs * (size_t)rounded_up((int)inputs);
    const size_t chunk = (size_t)CHUNK * (size_t)rounded_up((int)inputs), sums = (size_t)outputs * (size_t)(inputs + 1);
    float *scratch = calloc(shared + (size_t)threads * (chunk + sums) + 1, sizeof(float));
    if (!scratch) return 1;
    pack(weight, inputs, 1, (int)outputs, (int)inputs, scratch);
#pragma omp parallel num_threads(threads)
    {
        float *packed = scratch + shared + (size_t)omp_get_thread_num() * (chunk + sums), *own = packed + chunk;
        float *own_bias = own + outputs * inputs;
#pragma omp for schedule(static)
        for (int64_t first = 0; first < rows; first += CHUNK) {
            const int count = rows - first < CHUNK ? (int)(rows - first) : CHUNK;
            const float *grad = grad_y + first * outputs;
            if (grad_x)
                product(count, (int)outputs, (int)inputs, grad, outputs, scratch, grad_x + first * inputs, inputs, 0);
            pack(x + first * inputs, inputs, 1, count, (int)inputs, packed);
            transposed_product((int)outputs, count, (int)inputs, grad, outputs, packed, own, inputs);
            for (int r = 0; r < count; r++)
                for (int64_t k = 0; k < outputs; k++) own_bias[k] += grad[r * outputs + k];
        }
    }
    for (int64_t thread = 0; thread < threads; thread++) { /* in a fixed order, so that equal runs give equal numbers */
        const float *own = scratch + shared + (size_t)thread * (chunk + sums) + chunk;
        for (int64_t k = 0; k < outputs * inputs; k++) grad_weight[k] += own[k];
        for (int64_t k = 0; k < outputs; k++) grad_bias[k] += own[outputs * inputs + k];
    }
    free(scratch);
    return 0;
}
