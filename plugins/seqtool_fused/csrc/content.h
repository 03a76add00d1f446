/* Scores of what the memory holds, softmax, and sums over places, for one row of a batch at one step.

   Rows of keys and values are `width` numbers apart, a multiple of 16; what was padded is zero. */
#ifndef SEQTOOL_CONTENT_H
#define SEQTOOL_CONTENT_H

#include "wide.h"

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

/* out = sum_j x_j row_j */
static inline void blend(int count, int width, const float *rows, const float *x, float *out) {
    clear(out, 0, width);
    int j = 0;
    for (; j + 8 <= count; j += 8) {
        const float *at = rows + (long)j * width;
        for (int i = 0; i < width; i += LANES) {
            wide even = load(out + i), odd = {0};
#pragma GCC unroll 4
            for (int n = 0; n < 8; n += 2) {
                even += x[j + n] * load(at + n * width + i);
                odd += x[j + n + 1] * load(at + (n + 1) * width + i);
            }
            store(out + i, even + odd);
        }
    }
    for (; j < count; j++)
        for (int i = 0; i < width; i += LANES) store(out + i, load(out + i) + x[j] * load(rows + (long)j * width + i));
}

/* The same sums, where rows are so short that they stand turned: columns [size, stride]. Writes up to LANES too many. */
static inline void turned_dots(int count, int size, int stride, const float *columns, const float *x, float *out) {
    for (int j = 0; j < count; j += LANES) {
        wide total = {0};
        for (int i = 0; i < size; i++) total += x[i] * load(columns + (long)i * stride + j);
        store(out + j, total);
    }
}

static inline void turned_blend(int count, int size, int stride, const float *columns, const float *x, float *out) {
    for (int i = 0; i < size; i++) {
        wide total = {0};
        for (int j = 0; j < count; j += LANES)
            total += first_of(load(x + j), count - j, 0) * load(columns + (long)i * stride + j);
        out[i] = sum(total);
    }
}

/* out_j = v . tanh(q + key_j) */
static inline void additive_scores(
    int count, int width, const float *keys, const float *query, const float *v, float *out) {
    for (int j = 0; j < count; j++) {
        wide total = {0};
        for (int i = 0; i < width; i += LANES)
            total += load(v + i) * wide_tanh(load(query + i) + load(keys + (long)j * width + i));
        out[j] = sum(total);
    }
}

/* Gradients of the query, and added to those of the keys, both but for the factor v; added to that of v. `of` [count]
   is that of the scores. tanh is computed again, once for all three. */
static inline void additive_backward(
    int count, int width, const float *keys, const float *query, const float *of, float *of_query, float *of_keys,
    float *of_v) {
    for (int i = 0; i < width; i += LANES) {
        wide q = load(query + i), total = {0}, total_v = {0};
        for (int j = 0; j < count; j++) {
            float *to = of_keys + (long)j * width + i;
            wide x = wide_tanh(q + load(keys + (long)j * width + i));
            total_v += of[j] * x;
            x = of[j] * (1.0f - x * x);
            total += x;
            store(to, load(to) + x);
        }
        store(of_query + i, total);
        store(of_v + i, load(of_v + i) + total_v);
    }
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

/* The mean of `of` under weights whose sum is 1 but for rounding, which would else be taken for a gradient. */
static inline float weighted_mean(int count, const float *weights, const float *of) {
    wide above = {0}, total = {0};
    for (int j = 0; j < count; j += LANES) {
        wide weight = load_some(weights + j, count - j);
        above += weight * load_some(of + j, count - j), total += weight;
    }
    float all = sum(total);
    return all > 0 ? sum(above) / all : 0;
}

#endif
