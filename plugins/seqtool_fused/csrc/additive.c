/* Additive scores, v . tanh(q_i + k_j) for every pair of steps, and their gradients, without a tensor [B, T, S, H]: what
   content.h compares a step at a time, for all steps.

   B rows of a batch, T target steps, S source positions, H units. Every function returns 0, or 1 without memory. */
#include <stdlib.h>

#include "content.h"
#include "threads.h"

#define FEW 4 /* target steps for which it does not pay to prepare the keys, such as a single step of decoding */

typedef struct {
    int targets, sources, size, width; /* width: size up to a multiple of 16 */
} Sizes;

/* r of tanh(q + k) = 1 - 2 r, of units that stand along a vector: an exponential for each pair, and nothing to prepare. */
INLINE wide remainder_along(const float *query, const float *key, int k, int n) {
    const wide x = load_some(query + k, n) + load_some(key + k, n);
    return reciprocal(1.0f + exp_up_to(80.0f, 2.0f * x));
}

static float compared(int size, const float *query, const float *key, const float *v, float all_v) {
    wide total = {0};
    for (int k = 0; k < size; k += LANES) {
        const int n = size - k;
        total += load_some(v + k, n) * remainder_along(query, key, k, n);
    }
    return all_v - 2.0f * sum(total);
}

/* Added to the gradients of the query and the key, but for the factor 4 v, and to that of v as in `additive_backward`. */
static void compared_backward(
    int size, const float *query, const float *key, float of, float *of_query, float *of_key, float *of_v) {
    for (int k = 0; k < size; k += LANES) {
        const int n = size - k;
        const wide r = remainder_along(query, key, k, n), part = of * r, slope = part - part * r;
        store_some(of_query + k, load_some(of_query + k, n) + slope, n);
        store_some(of_key + k, load_some(of_key + k, n) + slope, n);
        store_some(of_v + k, load_some(of_v + k, n) + part, n);
    }
}

/* scores [T, S] of one row, of query [T, H] and keys [S, H]; room for `room_of_scores` numbers. */
static long room_of_scores(Sizes s) { return (s.size + 1L) * padded(s.sources) + s.width + LANES; }

static void scores_of_row(
    Sizes s, const float *query, const float *keys, const float *v, float all_v, float *room, float *scores) {
    const long stride = padded(s.sources);
    float *prepared = room + s.size * stride, *found = prepared + s.width;
    turn(s.sources, s.size, stride, keys, room);
    const int direct = is_direct(s.size * stride, room);
    prepare(direct, s.size * stride, room, room);
    for (int i = 0; i < s.targets; i++, query += s.size, scores += s.sources) {
        widen(1, s.size, s.width, query, prepared);
        prepare(direct, s.width, prepared, prepared);
        additive_scores(direct, s.sources, s.size, stride, room, prepared, v, all_v, found);
        memcpy(scores, found, sizeof(float) * (size_t)s.sources);
    }
}

static void few_scores_of_row(
    Sizes s, const float *query, const float *keys, const float *v, float all_v, float *scores) {
    for (int i = 0; i < s.targets; i++)
        for (int j = 0; j < s.sources; j++)
            *scores++ = compared(s.size, query + (long)i * s.size, keys + (long)j * s.size, v, all_v);
}

int seqtool_additive_forward(
    int64_t batch, int64_t targets, int64_t sources, int64_t size, const float *query, const float *keys, const float *vector_v,
    float *scores, int64_t threads) {
    const Sizes s = {targets, sources, size, padded(size)};
    const int few = targets <= FEW;
    int failed = 0;
    float all_v = 0;
    for (int k = 0; k < size; k++) all_v += vector_v[k];
#pragma omp parallel num_threads(threads)
    {
        float *room = malloc(sizeof(float) * (size_t)(few ? 1 : room_of_scores(s)));
        if (!room) {
#pragma omp atomic write
            failed = 1;
        }
        for (int64_t row = omp_get_thread_num(); room && row < batch; row += omp_get_num_threads()) {
            const float *q = query + row * targets * size, *k = keys + row * sources * size;
            float *to = scores + row * targets * sources;
            if (few)
                few_scores_of_row(s, q, k, vector_v, all_v, to);
            else
                scores_of_row(s, q, k, vector_v, all_v, room, to);
        }
        free(room);
    }
    return failed;
}

/* Of one row: of_query [T, H] but for the factor 4 v, which is zero before; of_keys [S, width] and of_v [width] are added
   to, as by `additive_backward`. There is room for S + 2 rows of width. */
static void gradients_of_row(
    Sizes s, const float *query, const float *keys, const float *of, float *room, float *of_query, float *of_keys,
    float *of_v) {
    float *prepared = room + (long)s.sources * s.width, *found = prepared + s.width;
    widen(s.sources, s.size, s.width, keys, room);
    const int direct = is_direct((long)s.sources * s.width, room);
    prepare(direct, (long)s.sources * s.width, room, room);
    for (int i = 0; i < s.targets; i++, query += s.size, of_query += s.size, of += s.sources) {
        widen(1, s.size, s.width, query, prepared);
        prepare(direct, s.width, prepared, prepared);
        additive_backward(direct, s.sources, s.width, room, prepared, of, found, of_keys, of_v);
        memcpy(of_query, found, sizeof(float) * (size_t)s.size);
    }
}

static void few_gradients_of_row(
    Sizes s, const float *query, const float *keys, const float *of, float *of_query, float *of_keys, float *of_v) {
    for (long i = 0; i < s.targets; i++)
        for (long j = 0; j < s.sources; j++)
            compared_backward(
                s.size, query + i * s.size, keys + j * s.size, *of++, of_query + i * s.size, of_keys + j * s.width, of_v);
}

/* of_vectors [B, H]: a row's share of v's gradient each. */
int seqtool_additive_backward(
    int64_t batch, int64_t targets, int64_t sources, int64_t size, const float *query, const float *keys, const float *vector_v,
    const float *of_scores, float *of_query, float *of_keys, float *of_vectors, int64_t threads) {
    const Sizes s = {targets, sources, size, padded(size)};
    const long places = sources * s.width, pairs = targets * sources;
    int failed = 0;
#pragma omp parallel num_threads(threads)
    {
        float *room = malloc(sizeof(float) * (size_t)(2 * places + 3 * s.width) + 1);
        if (!room) {
#pragma omp atomic write
            failed = 1;
        }
        float *of_all = room + places + 2 * s.width, *of_v = of_all + places;
        for (int64_t row = omp_get_thread_num(); room && row < batch; row += omp_get_num_threads()) {
            const float *q = query + row * targets * size, *k = keys + row * sources * size, *of = of_scores + row * pairs;
            float *to_query = of_query + row * targets * size, *to_keys = of_keys + row * sources * size;
            clear(to_query, 0, targets * size);
            clear(of_all, 0, places + s.width); /* of_v too, which stands behind */
            if (targets <= FEW)
                few_gradients_of_row(s, q, k, of, to_query, of_all, of_v);
            else
                gradients_of_row(s, q, k, of, room, to_query, of_all, of_v);
            for (long i = 0; i < targets; i++)
                for (int n = 0; n < size; n++) to_query[i * size + n] *= 4 * vector_v[n];
            for (long j = 0; j < sources; j++)
                for (int n = 0; n < size; n++) to_keys[j * size + n] = 4 * vector_v[n] * of_all[j * s.width + n];
            const float came = total((int)pairs, of);
            for (int n = 0; n < size; n++) of_vectors[row * size + n] = came - 2 * of_v[n];
        }
        free(room);
    }
    return failed;
}
