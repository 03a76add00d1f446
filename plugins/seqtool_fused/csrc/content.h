/* Scores of what the memory holds, softmax, and sums over places, for one row of a batch at one step.

   Rows of keys and values are `width` numbers apart, a multiple of 16; what was padded is zero. */
#ifndef SEQTOOL_CONTENT_H
#define SEQTOOL_CONTENT_H

#include "wide.h"

#define TOGETHER 4 /* vectors of sums that stay in registers */

/* out_j = row_j . x */
static inline void dots(int count, int width, const float *rows, const float *x, float *out) {
    int j = 0;
    for (; j + 4 <= count; j += 4) {
        const float *at = rows + (long)j * width;
        wide a = {0}, b = {0}, c = {0}, d = {0};
        for (int i = 0; i < width; i += LANES) {
            wide y = load(x + i);
            a += y * load(at + i), b += y * load(at + width + i);
            c += y * load(at + 2 * width + i), d += y * load(at + 3 * width + i);
        }
        out[j] = sum(a), out[j + 1] = sum(b), out[j + 2] = sum(c), out[j + 3] = sum(d);
    }
    for (; j < count; j++) out[j] = inner(width, rows + (long)j * width, x);
}

INLINE void some_blended(const int vectors, int count, int width, const float *rows, const float *x, float *out) {
    wide total[TOGETHER] = {0};
    for (int j = 0; j < count; j++, rows += width)
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++) total[n] += x[j] * load(rows + n * LANES);
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) store(out + n * LANES, total[n]);
}

/* out = sum_j x_j row_j */
static inline void blend(int count, int width, const float *rows, const float *x, float *out) {
    int i = 0;
    for (; i + TOGETHER * LANES <= width; i += TOGETHER * LANES)
        some_blended(TOGETHER, count, width, rows + i, x, out + i);
    for (; i + 2 * LANES <= width; i += 2 * LANES) some_blended(2, count, width, rows + i, x, out + i);
    for (; i < width; i += LANES) some_blended(1, count, width, rows + i, x, out + i);
}

/* As `dots`, and then as `blend`, where rows are so short that they stand turned: columns [size, stride]. Writes up to
   LANES too many. */
static inline void turned_dots(int count, int size, int stride, const float *columns, const float *x, float *out) {
    int j = 0;
    for (; j + (TOGETHER - 1) * LANES < count; j += TOGETHER * LANES)
        some_blended(TOGETHER, size, stride, columns + j, x, out + j);
    for (; j + LANES < count; j += 2 * LANES) some_blended(2, size, stride, columns + j, x, out + j);
    for (; j < count; j += LANES) some_blended(1, size, stride, columns + j, x, out + j);
}

static inline void turned_blend(int count, int size, int stride, const float *columns, const float *x, float *out) {
    for (int i = 0; i < size; i++) {
        wide total = {0};
        for (int j = 0; j < count; j += LANES)
            total += first_of(load(x + j), count - j, 0) * load(columns + (long)i * stride + j);
        out[i] = sum(total);
    }
}

/* Additive comparison: tanh(q + k) = 1 - 2 r, r = 1 / (1 + e^2q e^2k), so that a pair costs one reciprocal; where keys
   are all smaller than LARGEST_KEY, for beyond LARGEST_QUERY tanh is 1 to the last place. Of larger keys (`direct`) r
   comes of tanh. */
#define LARGEST_KEY 16.0f
#define LARGEST_QUERY 26.0f
static inline int is_direct(long count, const float *keys) {
    wide most = {0};
    for (long i = 0; i < count; i += LANES) {
        wide x = load_some(keys + i, count - i < LANES ? (int)(count - i) : LANES);
        most = larger(most, larger(x, -x));
    }
    return largest(most) >= LARGEST_KEY;
}

/* Of `count` numbers, a multiple of LANES, what `remainder_of` wants; in place where both are one. */
static inline void prepare(int direct, long count, const float *from, float *to) {
    for (long i = 0; i < count; i += LANES) {
        wide x = load(from + i);
        store(to + i, direct ? x : wide_exp(2.0f * at_least(at_most(x, LARGEST_QUERY), -LARGEST_QUERY)));
    }
}

INLINE wide remainder_of(const int direct, wide query, wide key) {
    return direct ? 0.5f - 0.5f * wide_tanh(query + key) : reciprocal(1.0f + query * key);
}

INLINE void some_scores(
    const int direct, const int vectors, int size, long stride, const float *keys, const float *query, const float *v,
    float all_v, float *out) {
    wide total[TOGETHER] = {0};
    for (int k = 0; k < size; k++, keys += stride)
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++)
            total[n] += v[k] * remainder_of(direct, splat(query[k]), load(keys + n * LANES));
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) store(out + n * LANES, all_v - 2.0f * total[n]);
}

INLINE void scores_of(
    const int direct, int count, int size, long stride, const float *keys, const float *query, const float *v,
    float all_v, float *out) {
    int j = 0;
    for (; j + (TOGETHER - 1) * LANES < count; j += TOGETHER * LANES)
        some_scores(direct, TOGETHER, size, stride, keys + j, query, v, all_v, out + j);
    for (; j + LANES < count; j += 2 * LANES) some_scores(direct, 2, size, stride, keys + j, query, v, all_v, out + j);
    for (; j < count; j += LANES) some_scores(direct, 1, size, stride, keys + j, query, v, all_v, out + j);
}

/* out_j = v . tanh(q + key_j); keys turned, [size, stride]; all_v is the sum of v. Writes up to LANES too many. */
static inline void additive_scores(
    int direct, int count, int size, long stride, const float *keys, const float *query, const float *v, float all_v,
    float *out) {
    if (direct)
        scores_of(1, count, size, stride, keys, query, v, all_v, out);
    else
        scores_of(0, count, size, stride, keys, query, v, all_v, out);
}

INLINE void some_gradients(
    const int direct, const int vectors, int count, int width, const float *keys, const float *query, const float *of,
    float *of_query, float *of_keys, float *of_v) {
    wide total[TOGETHER] = {0}, total_v[TOGETHER] = {0}, q[TOGETHER];
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) q[n] = load(query + n * LANES);
    for (int j = 0; j < count; j++, keys += width, of_keys += width)
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++) {
            float *to = of_keys + n * LANES;
            wide r = remainder_of(direct, q[n], load(keys + n * LANES)), part = of[j] * r, slope = part - part * r;
            total_v[n] += part, total[n] += slope;
            store(to, load(to) + slope);
        }
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) {
        store(of_query + n * LANES, total[n]);
        store(of_v + n * LANES, load(of_v + n * LANES) + total_v[n]);
    }
}

INLINE void gradients_of(
    const int direct, int count, int width, const float *keys, const float *query, const float *of, float *of_query,
    float *of_keys, float *of_v) {
    int i = 0;
    for (; i + TOGETHER * LANES <= width; i += TOGETHER * LANES)
        some_gradients(direct, TOGETHER, count, width, keys + i, query + i, of, of_query + i, of_keys + i, of_v + i);
    for (; i + 2 * LANES <= width; i += 2 * LANES)
        some_gradients(direct, 2, count, width, keys + i, query + i, of, of_query + i, of_keys + i, of_v + i);
    for (; i < width; i += LANES)
        some_gradients(direct, 1, count, width, keys + i, query + i, of, of_query + i, of_keys + i, of_v + i);
}

/* Gradients of the query, and added to those of the keys, both but for the factor 4 v; added to that of v, but for the
   factor -2 and the sum of `of` [count], the gradient of the scores. Keys are [count, width] here. */
static inline void additive_backward(
    int direct, int count, int width, const float *keys, const float *query, const float *of, float *of_query,
    float *of_keys, float *of_v) {
    if (direct)
        gradients_of(1, count, width, keys, query, of, of_query, of_keys, of_v);
    else
        gradients_of(0, count, width, keys, query, of, of_query, of_keys, of_v);
}

/* Weights from scores, in place; `real` [count] where some of them are not, NULL else. There is room up to LANES. */
static inline void softmax(int count, const uint8_t *real, float *scores) {
    for (int j = 0; real && j < count; j++)
        if (!real[j]) scores[j] = -1e30f;
    wide most = splat(-1e30f), total = {0};
    for (int j = 0; j < count; j += LANES) most = larger(most, first_of(load(scores + j), count - j, -1e30f));
    float shift = largest(most);
    for (int j = 0; j < count; j += LANES)
        store(scores + j, first_of(wide_exp(load(scores + j) - shift), count - j, 0));
    for (int j = 0; real && j < count; j++)
        if (!real[j]) scores[j] = 0;
    for (int j = 0; j < count; j += LANES) total += load(scores + j);
    wide all = splat(sum(total));
    for (int j = 0; j < count; j += LANES) store(scores + j, load(scores + j) / all);
}

/* `of` less its mean above / all, under weights whose sum is 1 but for rounding, which would else be taken for a
   gradient. */
static inline void less_mean(int count, float above, float all, float *of) {
    const float mean = all > 0 ? above / all : 0;
    for (int j = 0; j < count; j += LANES) store(of + j, first_of(load(of + j) - mean, count - j, 0));
}

/* `of`, the gradient of softmax's weights, becomes that of its scores. Whole vectors are stored: to load what was stored
   in parts, a processor waits. There is room up to LANES. */
static inline void softmax_backward(int count, const float *weights, float *of) {
    wide above = {0}, total = {0};
    for (int j = 0; j < count; j += LANES) {
        wide weight = load_some(weights + j, count - j), given = first_of(load(of + j), count - j, 0);
        above += weight * given, total += weight;
    }
    less_mean(count, sum(above), sum(total), of);
    for (int j = 0; j < count; j += LANES) store(of + j, load_some(weights + j, count - j) * load(of + j));
}

#endif
