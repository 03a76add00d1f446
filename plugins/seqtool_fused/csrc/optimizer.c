/* Gradient clipping and Adam over all parameters of a model in one call: a small model has few numbers in dozens of
   tensors, and general libraries have an overhead per tensor.

   `count` tensors, tensor i of sizes[i] numbers. Every function returns 0, or 1 if memory runs out. */
#include <math.h>
#include <stdlib.h>

#include "threads.h"
#include "vector.h"

#define BLOCK 16384 /* numbers per block; up to PARALLEL_BLOCKS blocks run in one thread */
#define PARALLEL_BLOCKS 4

static int64_t blocks_of(int64_t count, const int64_t *sizes) {
    int64_t blocks = 0;
    for (int64_t i = 0; i < count; i++) blocks += (sizes[i] + BLOCK - 1) / BLOCK;
    return blocks;
}

/* Loops over this thread's blocks: `i` is the tensor, `first` the block's first number, `size` its length. */
#define EACH_BLOCK                                                                                                     \
    int64_t block = -1, size;                                                                                          \
    const int64_t me = omp_get_thread_num(), all = omp_get_num_threads();                                              \
    for (int64_t i = 0; i < count; i++)                                                                                \
        for (int64_t first = 0; first < sizes[i]; first += BLOCK)                                                      \
            if (size = sizes[i] - first < BLOCK ? sizes[i] - first : BLOCK, ++block % all == me)

static double squares(const float *x, int64_t size) {
    double sum = 0;
    for (int64_t first = 0; first < size; first += 512) { /* short enough that float32 rounding stays small */
        const int64_t count = size - first < 512 ? size - first : 512, whole = count / LANES * LANES;
        float lanes[LANES] = {0};
        for (int64_t k = 0; k < whole; k += LANES)
            for (int lane = 0; lane < LANES; lane++) lanes[lane] += x[first + k + lane] * x[first + k + lane];
        for (int lane = 0; lane < LANES; lane++) sum += lanes[lane];
        for (int64_t k = whole; k < count; k++) sum += (double)x[first + k] * x[first + k];
    }
    return sum;
}

/* Multiplies all gradients by limit / (norm + 1e-6) if that is less than 1; norm is that of all together. */
int seqtool_clip(int64_t count, const int64_t *sizes, float *const *gradients, const double *limit, int64_t threads) {
    const int64_t blocks = blocks_of(count, sizes);
    double *sums = malloc(sizeof(double) * (size_t)(blocks + 1)), sum = 0;
    if (!sums) return 1;
#pragma omp parallel num_threads(threads) if (blocks > PARALLEL_BLOCKS)
    { EACH_BLOCK sums[block] = squares(gradients[i] + first, size); }
    for (int64_t block = 0; block < blocks; block++)
        sum += sums[block]; /* in a fixed order, whichever thread summed them */
    free(sums);
    const double factor = *limit / (sqrt(sum) + 1e-6);
    if (factor >= 1) return 0;
#pragma omp parallel num_threads(threads) if (blocks > PARALLEL_BLOCKS)
    {
        EACH_BLOCK {
            float *grad = gradients[i] + first;
            for (int64_t k = 0; k < size; k++) grad[k] *= (float)factor;
        }
    }
    return 0;
}

typedef struct {
    double lr, beta1, beta2, eps, decay;
    double decoupled; /* nonzero: AdamW, whose decay does not go through the gradient */
} Rule;

/* Adam as in torch: Kingma & Ba 2015, algorithm 1; decoupled: Loshchilov & Hutter 2019, algorithm 2. Each tensor has
   its own step count, which is incremented. */
int seqtool_adam(
    int64_t count, const int64_t *sizes, float *const *parameters, const float *const *gradients, float *const *means,
    float *const *spreads, float *const *steps, const Rule *rule, int64_t threads) {
    for (int64_t i = 0; i < count; i++) *steps[i] += 1;
#pragma omp parallel num_threads(threads) if (blocks_of(count, sizes) > PARALLEL_BLOCKS)
    {
        EACH_BLOCK {
            float *p = parameters[i] + first, *m = means[i] + first, *v = spreads[i] + first;
            const float *g = gradients[i] + first;
            const float move = (float)(rule->lr / (1 - pow(rule->beta1, *steps[i])));
            const float scale = (float)(1 / sqrt(1 - pow(rule->beta2, *steps[i])));
            const float keep = rule->decoupled ? (float)(1 - rule->lr * rule->decay) : 1.0f;
            const float added = rule->decoupled ? 0.0f : (float)rule->decay, eps = (float)rule->eps;
            const float old_mean = (float)rule->beta1, new_mean = (float)(1 - rule->beta1);
            const float old = (float)rule->beta2, new = (float)(1 - rule->beta2);
            for (int64_t k = 0; k < size; k++) {
                const float grad = g[k] + added * p[k];
                m[k] = old_mean * m[k] + new_mean * grad;
                v[k] = old * v[k] + new *grad *grad;
                p[k] = keep * p[k] - move * m[k] / (__builtin_sqrtf(v[k]) * scale + eps);
            }
        }
    }
    return 0;
}
