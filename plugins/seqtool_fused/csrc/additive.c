/* Additive scores, v . tanh(q_i + k_j) for every pair of steps, and their gradients, without a tensor [B, T, S, H].

   tanh(q + k) = 1 - 2 r, r = 1 / (1 + e^2q e^2k): the exponentials belong to q and to k alone, so that a pair costs one
   division. Where q or k is too large for that, r comes of tanh itself. Source positions stand along a vector.

   B rows, T target steps, S source positions, H units. Every function returns 0, or 1 without memory. */
#include <stdlib.h>

#include "threads.h"
#include "vector.h"

#define LARGEST 16.0f
#define WIDTH (4 * LANES)

INLINE float remainder_of(const int direct, float query, float key) {
    return direct ? 0.5f - 0.5f * fast_tanh(query + key) : 1.0f / (1.0f + query * key);
}

static int is_small(const float *x, long count) {
    float largest = 0;
#pragma omp simd reduction(max : largest)
    for (long k = 0; k < count; k++) largest = __builtin_fabsf(x[k]) > largest ? __builtin_fabsf(x[k]) : largest;
    return largest < LARGEST;
}

/* to [H, stored] <- keys [S, H], what `remainder_of` wants of them; what lies beyond S is 0. */
static void turn_keys(const int direct, const float *keys, int sources, int size, int stored, float *to) {
    for (int k = 0; k < size; k++) {
        float *restrict row = to + (long)k * stored;
        for (int j = 0; j < sources; j++) row[j] = keys[(long)j * size + k];
        memset(row + sources, 0, sizeof(float) * (size_t)(stored - sources));
        if (direct) continue;
#pragma omp simd
        for (int j = 0; j < stored; j++) row[j] = fast_exp(2 * row[j]);
    }
}

static void prepare_query(const int direct, const float *query, int size, float *to) {
#pragma omp simd
    for (int k = 0; k < size; k++) to[k] = direct ? query[k] : fast_exp(2 * query[k]);
}

INLINE void scores_of_row(
    const int direct, int targets, int sources, int size, int stored, const float *query, const float *turned,
    const float *vector_v, float total, float *prepared, float *scores) {
    for (int i = 0; i < targets; i++) {
        prepare_query(direct, query + (long)i * size, size, prepared);
        for (int first = 0; first < sources; first += WIDTH) {
            float sum[WIDTH] = {0};
            for (int k = 0; k < size; k++) {
                const float *keys = turned + (long)k * stored + first;
                const float q = prepared[k], v = vector_v[k];
#pragma omp simd
                for (int j = 0; j < WIDTH; j++) sum[j] += v * remainder_of(direct, q, keys[j]);
            }
            int count = sources - first < WIDTH ? sources - first : WIDTH;
            float *restrict to = scores + (long)i * sources + first;
            for (int j = 0; j < count; j++) to[j] = total - 2 * sum[j];
        }
    }
}

int seqtool_additive_forward(
    int64_t batch, int64_t targets, int64_t sources, int64_t size, const float *query, const float *keys, const float *vector_v,
    float *scores, int64_t threads) {
    const int stored = (sources + WIDTH - 1) / WIDTH * WIDTH;
    const long of_query = (long)targets * size, of_keys = (long)sources * size;
    int failed = 0;
    float total = 0;
    for (int k = 0; k < size; k++) total += vector_v[k];
#pragma omp parallel num_threads(threads)
    {
        float *turned = malloc(sizeof(float) * ((size_t)stored + 1) * (size_t)size);
        if (!turned) {
#pragma omp atomic write
            failed = 1;
        }
        float *prepared = turned + (long)stored * size;
        for (int row = omp_get_thread_num(); turned && row < batch; row += omp_get_num_threads()) {
            const float *q = query + row * of_query;
            float *to = scores + (long)row * targets * sources;
            const int direct = !is_small(q, of_query) || !is_small(keys + row * of_keys, of_keys);
            turn_keys(direct, keys + row * of_keys, sources, size, stored, turned);
            if (direct)
                scores_of_row(1, targets, sources, size, stored, q, turned, vector_v, total, prepared, to);
            else
                scores_of_row(0, targets, sources, size, stored, q, turned, vector_v, total, prepared, to);
        }
        free(turned);
    }
    return failed;
}

/* The gradients, but for what every number of a unit has in common: that of a query is 4 v_k of_query[i, k], of a key
   4 v_k of_turned[k, j], and of v_k the sum of all that came, less 2 of_vector[k]. */
INLINE void gradients_of_row(
    const int direct, int targets, int size, int stored, const float *prepared, const float *turned, const float *came,
    float *of_query, float *of_turned, float *of_vector) {
    for (int k = 0; k < size; k++) {
        for (int first = 0; first < stored; first += WIDTH) {
            const float *restrict keys = turned + (long)k * stored + first;
            float of_keys[WIDTH] = {0}, of_v[WIDTH] = {0};
            for (int i = 0; i < targets; i++) {
                const float q = prepared[(long)i * size + k];
                const float *restrict given = came + (long)i * stored + first;
                float sum[LANES] = {0};
                for (int v = 0; v < WIDTH; v += LANES)
#pragma omp simd
                    for (int j = 0; j < LANES; j++) {
                        float r = remainder_of(direct, q, keys[v + j]);
                        float part = given[v + j] * r, slope = part - part * r;
                        of_v[v + j] += part;
                        of_keys[v + j] += slope;
                        sum[j] += slope;
                    }
                float all = 0;
#pragma omp simd reduction(+ : all)
                for (int j = 0; j < LANES; j++) all += sum[j];
                of_query[(long)i * size + k] += all;
            }
            float all = 0;
#pragma omp simd reduction(+ : all)
            for (int j = 0; j < WIDTH; j++) all += of_v[j];
            of_vector[k] += all;
            memcpy(of_turned + (long)k * stored + first, of_keys, sizeof(of_keys));
        }
    }
}

/* of_vectors [B, H]: a row's share of v's gradient each. */
int seqtool_additive_backward(
    int64_t batch, int64_t targets, int64_t sources, int64_t size, const float *query, const float *keys, const float *vector_v,
    const float *of_scores, float *of_query, float *of_keys, float *of_vectors, int64_t threads) {
    const int stored = (sources + WIDTH - 1) / WIDTH * WIDTH;
    const long queries = (long)targets * size, pairs = (long)targets * stored, turned_size = (long)stored * size;
    int failed = 0;
#pragma omp parallel num_threads(threads)
    {
        float *turned = malloc(sizeof(float) * (size_t)(2 * turned_size + queries + pairs) + 1);
        if (!turned) {
#pragma omp atomic write
            failed = 1;
        }
        float *of_turned = turned + turned_size, *prepared = of_turned + turned_size, *came = prepared + queries;
        for (int row = omp_get_thread_num(); turned && row < batch; row += omp_get_num_threads()) {
            const float *q = query + row * queries, *k_row = keys + (long)row * sources * size;
            const float *given = of_scores + (long)row * targets * sources;
            float *restrict to_query = of_query + row * queries, *restrict to_keys = of_keys + (long)row * sources * size;
            float *restrict to_vector = of_vectors + (long)row * size;
            const int direct = !is_small(q, queries) || !is_small(k_row, (long)sources * size);
            turn_keys(direct, k_row, sources, size, stored, turned);
            float total = 0;
            for (int i = 0; i < targets; i++) {
                prepare_query(direct, q + (long)i * size, size, prepared + (long)i * size);
                memcpy(came + (long)i * stored, given + (long)i * sources, sizeof(float) * (size_t)sources);
                memset(came + (long)i * stored + sources, 0, sizeof(float) * (size_t)(stored - sources));
#pragma omp simd reduction(+ : total)
                for (int j = 0; j < sources; j++) total += given[(long)i * sources + j];
            }
            memset(to_query, 0, sizeof(float) * (size_t)queries);
            memset(to_vector, 0, sizeof(float) * (size_t)size);
            if (direct)
                gradients_of_row(1, targets, size, stored, prepared, turned, came, to_query, of_turned, to_vector);
            else
                gradients_of_row(0, targets, size, stored, prepared, turned, came, to_query, of_turned, to_vector);
            for (int i = 0; i < targets; i++)
                for (int k = 0; k < size; k++) to_query[(long)i * size + k] *= 4 * vector_v[k];
            for (int j = 0; j < sources; j++)
                for (int k = 0; k < size; k++)
                    to_keys[(long)j * size + k] = 4 * vector_v[k] * of_turned[(long)k * stored + j];
            for (int k = 0; k < size; k++) to_vector[k] = total - 2 * to_vector[k];
        }
        free(turned);
    }
    return failed;
}
