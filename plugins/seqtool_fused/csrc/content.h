/* Content-based scores, softmax, and sums over positions, for one row of a batch at one step.

   Rows of keys and values are `width` numbers apart, a multiple of 16, and padded with zeros. */
#ifndef SEQTOOL_CONTENT_H
#define SEQTOOL_CONTENT_H

#include "vector_math.h"

#define TOGETHER 4 /* accumulator vectors that fit in registers */

/* out_j = row_j . x */
static inline void dots(int count, int width, const float *rows, const float *x, float *out) {
    int j = 0;
    for (; j + 4 <= count; j += 4) {
        const float *at = rows + (long)j * width;
        vec a = {0}, b = {0}, c = {0}, d = {0};
        for (int i = 0; i < width; i += LANES) {
            vec y = load(x + i);
            a += y * load(at + i), b += y * load(at + width + i);
            c += y * load(at + 2 * width + i), d += y * load(at + 3 * width + i);
        }
        out[j] = sum(a), out[j + 1] = sum(b), out[j + 2] = sum(c), out[j + 3] = sum(d);
    }
    for (; j < count; j++) out[j] = dot(width, rows + (long)j * width, x);
}

INLINE void weighted_sum_tile(const int vectors, int count, int width, const float *rows, const float *x, float *out) {
    vec total[TOGETHER] = {0};
    for (int j = 0; j < count; j++, rows += width)
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++) total[n] += x[j] * load(rows + n * LANES);
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) store(out + n * LANES, total[n]);
}

/* out = sum_j x_j row_j */
static inline void weighted_sum(int count, int width, const float *rows, const float *x, float *out) {
    int i = 0;
    for (; i + TOGETHER * LANES <= width; i += TOGETHER * LANES)
        weighted_sum_tile(TOGETHER, count, width, rows + i, x, out + i);
    for (; i + 2 * LANES <= width; i += 2 * LANES) weighted_sum_tile(2, count, width, rows + i, x, out + i);
    for (; i < width; i += LANES) weighted_sum_tile(1, count, width, rows + i, x, out + i);
}

/* `dots` and `weighted_sum` for short rows, which are stored transposed: columns [size, stride]. Writes up to LANES - 1
   numbers beyond `count`. */
static inline void transposed_dots(int count, int size, int stride, const float *columns, const float *x, float *out) {
    int j = 0;
    for (; j + (TOGETHER - 1) * LANES < count; j += TOGETHER * LANES)
        weighted_sum_tile(TOGETHER, size, stride, columns + j, x, out + j);
    for (; j + LANES < count; j += 2 * LANES) weighted_sum_tile(2, size, stride, columns + j, x, out + j);
    for (; j < count; j += LANES) weighted_sum_tile(1, size, stride, columns + j, x, out + j);
}

static inline void
transposed_weighted_sum(int count, int size, int stride, const float *columns, const float *x, float *out) {
    for (int i = 0; i < size; i++) {
        vec total = {0};
        for (int j = 0; j < count; j += LANES)
            total += keep_first(load(x + j), count - j, 0) * load(columns + (long)i * stride + j);
        out[i] = sum(total);
    }
}

/* Additive scores: tanh(q + k) = 1 - 2 r, r = 1 / (1 + e^2q e^2k), so that a pair costs one reciprocal. All keys
   must be smaller than LARGEST_KEY; queries are clamped to LARGEST_QUERY, beyond which tanh(q + k) is 1 in float32.
   With larger keys (`direct`), r is computed from tanh. */
#define LARGEST_KEY 16.0f
#define LARGEST_QUERY 26.0f
static inline int is_direct(long count, const float *keys) {
    vec most = {0};
    for (long i = 0; i < count; i += LANES) {
        vec x = load_partial(keys + i, count - i < LANES ? (int)(count - i) : LANES);
        most = maximum(most, maximum(x, -x));
    }
    return reduce_max(most) >= LARGEST_KEY;
}

/* Prepares `count` numbers, a multiple of LANES, of queries or keys for `remainder_of`. `from` may be `to`. */
static inline void prepare(int direct, long count, const float *from, float *to) {
    for (long i = 0; i < count; i += LANES) {
        vec x = load(from + i);
        store(to + i, direct ? x : vec_exp(2.0f * at_least(at_most(x, LARGEST_QUERY), -LARGEST_QUERY)));
    }
}

INLINE vec remainder_of(const int direct, vec query, vec key) {
    return direct ? 0.5f - 0.5f * vec_tanh(query + key) : reciprocal(1.0f + query * key);
}

INLINE void scores_tile(
    const int direct, const int vectors, int size, long stride, const float *keys, const float *query, const float *v,
    float sum_v, float *out) {
    vec total[TOGETHER] = {0};
    for (int k = 0; k < size; k++, keys += stride)
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++)
            total[n] += v[k] * remainder_of(direct, splat(query[k]), load(keys + n * LANES));
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) store(out + n * LANES, sum_v - 2.0f * total[n]);
}

INLINE void all_scores(
    const int direct, int count, int size, long stride, const float *keys, const float *query, const float *v,
    float sum_v, float *out) {
    int j = 0;
    for (; j + (TOGETHER - 1) * LANES < count; j += TOGETHER * LANES)
        scores_tile(direct, TOGETHER, size, stride, keys + j, query, v, sum_v, out + j);
    for (; j + LANES < count; j += 2 * LANES) scores_tile(direct, 2, size, stride, keys + j, query, v, sum_v, out + j);
    for (; j < count; j += LANES) scores_tile(direct, 1, size, stride, keys + j, query, v, sum_v, out + j);
}

/* out_j = v . tanh(q + key_j), from transposed keys [size, stride]; sum_v is the sum of v. Writes up to LANES - 1
   numbers beyond `count`. */
static inline void additive_scores(
    int direct, int count, int size, long stride, const float *keys, const float *query, const float *v, float sum_v,
    float *out) {
    if (direct)
        all_scores(1, count, size, stride, keys, query, v, sum_v, out);
    else
        all_scores(0, count, size, stride, keys, query, v, sum_v, out);
}

INLINE void gradients_tile(
    const int direct, const int vectors, int count, int width, const float *keys, const float *query, const float *grad,
    float *grad_query, float *grad_keys, float *grad_v) {
    vec total[TOGETHER] = {0}, total_v[TOGETHER] = {0}, q[TOGETHER];
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) q[n] = load(query + n * LANES);
    for (int j = 0; j < count; j++, keys += width, grad_keys += width)
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++) {
            float *to = grad_keys + n * LANES;
            vec r = remainder_of(direct, q[n], load(keys + n * LANES)), part = grad[j] * r, slope = part - part * r;
            total_v[n] += part, total[n] += slope;
            store(to, load(to) + slope);
        }
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) {
        store(grad_query + n * LANES, total[n]);
        store(grad_v + n * LANES, load(grad_v + n * LANES) + total_v[n]);
    }
}

INLINE void all_gradients(
    const int direct, int count, int width, const float *keys, const float *query, const float *grad, float *grad_query,
    float *grad_keys, float *grad_v) {
    int i = 0;
    for (; i + TOGETHER * LANES <= width; i += TOGETHER * LANES)
        gradients_tile(
            direct, TOGETHER, count, width, keys + i, query + i, grad, grad_query + i, grad_keys + i, grad_v + i);
    for (; i + 2 * LANES <= width; i += 2 * LANES)
        gradients_tile(direct, 2, count, width, keys + i, query + i, grad, grad_query + i, grad_keys + i, grad_v + i);
    for (; i < width; i += LANES)
        gradients_tile(direct, 1, count, width, keys + i, query + i, grad, grad_query + i, grad_keys + i, grad_v + i);
}

/* Sets grad_query and adds to grad_keys, both without their factor 4 v. Adds to grad_v the sum of grad_j r_j, from
   which the gradient of v is sum_j grad_j - 2 grad_v. `grad` [count] is the gradient of the scores. Keys are [count,
   width]. */
static inline void additive_backward(
    int direct, int count, int width, const float *keys, const float *query, const float *grad, float *grad_query,
    float *grad_keys, float *grad_v) {
    if (direct)
        all_gradients(1, count, width, keys, query, grad, grad_query, grad_keys, grad_v);
    else
        all_gradients(0, count, width, keys, query, grad, grad_query, grad_keys, grad_v);
}

/* Softmax in place. `real` [count] is the mask, or NULL if all are real. `scores` has space for whole vectors. */
static inline void softmax(int count, const uint8_t *real, float *scores) {
    for (int j = 0; real && j < count; j++)
        if (!real[j]) scores[j] = -1e30f;
    vec most = splat(-1e30f), total = {0};
    for (int j = 0; j < count; j += LANES) most = maximum(most, keep_first(load(scores + j), count - j, -1e30f));
    float shift = reduce_max(most);
    for (int j = 0; j < count; j += LANES)
        store(scores + j, keep_first(vec_exp(load(scores + j) - shift), count - j, 0));
    for (int j = 0; real && j < count; j++)
        if (!real[j]) scores[j] = 0;
    for (int j = 0; j < count; j += LANES) total += load(scores + j);
    vec all = splat(sum(total));
    for (int j = 0; j < count; j += LANES) store(scores + j, load(scores + j) / all);
}

/* Subtracts the mean, weighted / total, from `grad`. Dividing by the sum of the weights removes a spurious gradient
   where rounding makes that sum differ from 1. */
static inline void subtract_mean(int count, float weighted, float total, float *grad) {
    const float mean = total > 0 ? weighted / total : 0;
    for (int j = 0; j < count; j += LANES) store(grad + j, keep_first(load(grad + j) - mean, count - j, 0));
}

/* Replaces `grad`, the gradient of the weights, by that of the scores. Stores whole vectors: loading a vector after
   partial stores stalls the processor. `grad` has space for whole vectors. */
static inline void softmax_backward(int count, const float *weights, float *grad) {
    vec above = {0}, total = {0};
    for (int j = 0; j < count; j += LANES) {
        vec weight = load_partial(weights + j, count - j), incoming = keep_first(load(grad + j), count - j, 0);
        above += weight * incoming, total += weight;
    }
    subtract_mean(count, sum(above), sum(total), grad);
    for (int j = 0; j < count; j += LANES) store(grad + j, load_partial(weights + j, count - j) * load(grad + j));
}

#endif
