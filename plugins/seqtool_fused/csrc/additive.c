/* Additive scores v . tanh(q_i + k_j) of all pairs of steps, and their gradients, without a tensor [B, T, S, H].

   B rows of a batch, T target steps, S source positions, H units. Every function returns 0, or 1 if memory runs out. */
#include <stdlib.h>

#include "content.h"
#include "threads.h"

#define FEW_STEPS                                                                                                      \
    4 /* up to this many target steps (one step of decoding, for example), preparing the keys costs more than it saves \
       */

typedef struct {
    int targets, sources, size, width; /* width: size rounded up to a multiple of 16 */
} Sizes;

/* r of tanh(q + k) = 1 - 2 r for consecutive units: one exponential per pair, no preparation. */
INLINE vec remainder_along(const float *query, const float *key, int k, int n) {
    const vec x = load_partial(query + k, n) + load_partial(key + k, n);
    return reciprocal(1.0f + exp_up_to(80.0f, 2.0f * x));
}

static float score_of_pair(int size, const float *query, const float *key, const float *v, float sum_v) {
    vec total = {0};
    for (int k = 0; k < size; k += LANES) {
        const int n = size - k;
        total += load_partial(v + k, n) * remainder_along(query, key, k, n);
    }
    return sum_v - 2.0f * sum(total);
}

/* Adds to the gradients of the query and of the key, without their factor 4 v, and to grad_v as `additive_backward`. */
static void pair_backward(
    int size, const float *query, const float *key, float grad, float *grad_query, float *grad_key, float *grad_v) {
    for (int k = 0; k < size; k += LANES) {
        const int n = size - k;
        const vec r = remainder_along(query, key, k, n), part = grad * r, slope = part - part * r;
        store_partial(grad_query + k, load_partial(grad_query + k, n) + slope, n);
        store_partial(grad_key + k, load_partial(grad_key + k, n) + slope, n);
        store_partial(grad_v + k, load_partial(grad_v + k, n) + part, n);
    }
}

/* scores [T, S] of one row, from query [T, H] and keys [S, H]; scratch has `scratch_of_scores` numbers. */
static long scratch_of_scores(Sizes s) { return (s.size + 1L) * padded(s.sources) + s.width + LANES; }

static void scores_of_row(
    Sizes s, const float *query, const float *keys, const float *v, float sum_v, float *scratch, float *scores) {
    const long stride = padded(s.sources);
    float *prepared = scratch + s.size * stride, *found = prepared + s.width;
    transpose(s.sources, s.size, stride, keys, scratch);
    const int direct = is_direct(s.size * stride, scratch);
    prepare(direct, s.size * stride, scratch, scratch);
    for (int i = 0; i < s.targets; i++, query += s.size, scores += s.sources) {
        pad_rows(1, s.size, s.width, query, prepared);
        prepare(direct, s.width, prepared, prepared);
        additive_scores(direct, s.sources, s.size, stride, scratch, prepared, v, sum_v, found);
        memcpy(scores, found, sizeof(float) * (size_t)s.sources);
    }
}

static void
few_scores_of_row(Sizes s, const float *query, const float *keys, const float *v, float sum_v, float *scores) {
    for (int i = 0; i < s.targets; i++)
        for (int j = 0; j < s.sources; j++)
            *scores++ = score_of_pair(s.size, query + (long)i * s.size, keys + (long)j * s.size, v, sum_v);
}

int seqtool_additive_forward(
    int64_t batch, int64_t targets, int64_t sources, int64_t size, const float *query, const float *keys,
    const float *vector_v, float *scores, int64_t threads) {
    const Sizes s = {targets, sources, size, padded(size)};
    const int few = targets <= FEW_STEPS;
    int failed = 0;
    float sum_v = 0;
    for (int k = 0; k < size; k++) sum_v += vector_v[k];
#pragma omp parallel num_threads(threads)
    {
        float *scratch = malloc(sizeof(float) * (size_t)(few ? 1 : scratch_of_scores(s)));
        if (!scratch) {
#pragma omp atomic write
            failed = 1;
        }
        for (int64_t row = omp_get_thread_num(); scratch && row < batch; row += omp_get_num_threads()) {
            const float *q = query + row * targets * size, *k = keys + row * sources * size;
            float *to = scores + row * targets * sources;
            if (few)
                few_scores_of_row(s, q, k, vector_v, sum_v, to);
            else
                scores_of_row(s, q, k, vector_v, sum_v, scratch, to);
        }
        free(scratch);
    }
    return failed;
}

/* Gradients of one row. grad_query [T, H] starts at zero and omits the factor 4 v. Adds to grad_keys [S, width] and
   grad_v [width] as `additive_backward` does. scratch has S + 2 rows of width. */
static void gradients_of_row(
    Sizes s, const float *query, const float *keys, const float *grad, float *scratch, float *grad_query,
    float *grad_keys, float *grad_v) {
    float *prepared = scratch + (long)s.sources * s.width, *found = prepared + s.width;
    pad_rows(s.sources, s.size, s.width, keys, scratch);
    const int direct = is_direct((long)s.sources * s.width, scratch);
    prepare(direct, (long)s.sources * s.width, scratch, scratch);
    for (int i = 0; i < s.targets; i++, query += s.size, grad_query += s.size, grad += s.sources) {
        pad_rows(1, s.size, s.width, query, prepared);
        prepare(direct, s.width, prepared, prepared);
        additive_backward(direct, s.sources, s.width, scratch, prepared, grad, found, grad_keys, grad_v);
        memcpy(grad_query, found, sizeof(float) * (size_t)s.size);
    }
}

static void few_gradients_of_row(
    Sizes s, const float *query, const float *keys, const float *grad, float *grad_query, float *grad_keys,
    float *grad_v) {
    for (long i = 0; i < s.targets; i++)
        for (long j = 0; j < s.sources; j++)
            pair_backward(
                s.size, query + i * s.size, keys + j * s.size, *grad++, grad_query + i * s.size,
                grad_keys + j * s.width, grad_v);
}

/* grad_vectors [B, H]: each row's contribution to the gradient of v. */
int seqtool_additive_backward(
    int64_t batch, int64_t targets, int64_t sources, int64_t size, const float *query, const float *keys,
    const float *vector_v, const float *grad_scores, float *grad_query, float *grad_keys, float *grad_vectors,
    int64_t threads) {
    const Sizes s = {targets, sources, size, padded(size)};
    const long positions = sources * s.width, pairs = targets * sources;
    int failed = 0;
#pragma omp parallel num_threads(threads)
    {
        float *scratch = malloc(sizeof(float) * (size_t)(2 * positions + 3 * s.width) + 1);
        if (!scratch) {
#pragma omp atomic write
            failed = 1;
        }
        float *grad_all = scratch + positions + 2 * s.width, *grad_v = grad_all + positions;
        for (int64_t row = omp_get_thread_num(); scratch && row < batch; row += omp_get_num_threads()) {
            const float *q = query + row * targets * size, *k = keys + row * sources * size,
                        *grad = grad_scores + row * pairs;
            float *to_query = grad_query + row * targets * size, *to_keys = grad_keys + row * sources * size;
            clear(to_query, 0, targets * size);
            clear(grad_all, 0, positions + s.width); /* grad_v follows and is cleared too */
            if (targets <= FEW_STEPS)
                few_gradients_of_row(s, q, k, grad, to_query, grad_all, grad_v);
            else
                gradients_of_row(s, q, k, grad, scratch, to_query, grad_all, grad_v);
            for (long i = 0; i < targets; i++)
                for (int n = 0; n < size; n++) to_query[i * size + n] *= 4 * vector_v[n];
            for (long j = 0; j < sources; j++)
                for (int n = 0; n < size; n++) to_keys[j * size + n] = 4 * vector_v[n] * grad_all[j * s.width + n];
            const float grad_sum = total((int)pairs, grad);
            for (int n = 0; n < size; n++) grad_vectors[row * size + n] = grad_sum - 2 * grad_v[n];
        }
        free(scratch);
    }
    return failed;
}
