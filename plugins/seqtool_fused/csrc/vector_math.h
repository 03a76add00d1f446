/* Explicit vectors, for reductions that compilers do not vectorize: partial loads and stores, and exp, tanh and sigmoid
   of LANES numbers. NaN is propagated. */
#ifndef SEQTOOL_VECTOR_MATH_H
#define SEQTOOL_VECTOR_MATH_H

#include "vector.h"

#if defined(__AVX__)
#include <immintrin.h>
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

INLINE vec load(const float *p) { return (vec) * (const vector *)p; }
INLINE void store(float *p, vec x) { *(vector *)p = (vector)x; }
INLINE vec splat(float x) { return x - (vec){0}; }

#if defined(__AVX512F__)
/* Loads the first `count` numbers, followed by zeros; stores the first `count` numbers only. */
INLINE vec load_partial(const float *p, int count) {
    return count >= LANES ? load(p) : (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}
INLINE void store_partial(float *p, vec x, int count) {
    if (count >= LANES)
        store(p, x);
    else
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)x);
}
INLINE vec at_most(vec x, float most) { return (vec)_mm512_min_ps((__m512)splat(most), (__m512)x); }
INLINE vec at_least(vec x, float least) { return (vec)_mm512_max_ps((__m512)splat(least), (__m512)x); }
INLINE vec maximum(vec x, vec y) { return (vec)_mm512_max_ps((__m512)x, (__m512)y); }
INLINE float sum(vec x) { return _mm512_reduce_add_ps((__m512)x); }
INLINE float reduce_max(vec x) { return _mm512_reduce_max_ps((__m512)x); }
/* The processor's 14-bit approximation and one step of Newton's method: half the time of a division. */
INLINE vec reciprocal(vec x) {
    vec near = (vec)_mm512_rcp14_ps((__m512)x);
    return near * (2.0f - x * near);
}
INLINE vec divide(vec x, vec y) { return x * reciprocal(y); }
INLINE vec rounded(vec x) { return (vec)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT); }
/* x 2^power, for integral powers. */
INLINE vec scaled(vec x, vec power) { return (vec)_mm512_scalef_ps((__m512)x, (__m512)power); }
#else
INLINE vec load_partial(const float *p, int count) {
    if (count >= LANES) return load(p);
    float lanes[LANES] = {0};
    for (int i = 0; i < count; i++) lanes[i] = p[i];
    return load(lanes);
}
INLINE void store_partial(float *p, vec x, int count) {
    if (count >= LANES) {
        store(p, x);
        return;
    }
    float lanes[LANES];
    store(lanes, x);
    for (int i = 0; i < count; i++) p[i] = lanes[i];
}
#if defined(__AVX__)
INLINE vec at_most(vec x, float most) { return (vec)_mm256_min_ps((__m256)splat(most), (__m256)x); }
INLINE vec at_least(vec x, float least) { return (vec)_mm256_max_ps((__m256)splat(least), (__m256)x); }
INLINE vec maximum(vec x, vec y) { return (vec)_mm256_max_ps((__m256)x, (__m256)y); }
/* A 12-bit approximation and one step of Newton's method. The reciprocal of 1 is not exact, so `divide` divides. */
INLINE vec reciprocal(vec x) {
    vec near = (vec)_mm256_rcp_ps((__m256)x);
    return near * (2.0f - x * near);
}
#else
INLINE vec either(ivec first, vec x, vec y) { return (vec)((first & (ivec)x) | (~first & (ivec)y)); }
INLINE vec at_most(vec x, float most) { return either((ivec)(x > splat(most)), splat(most), x); }
INLINE vec at_least(vec x, float least) { return either((ivec)(x < splat(least)), splat(least), x); }
INLINE vec maximum(vec x, vec y) { return either((ivec)(x > y), x, y); }
INLINE vec reciprocal(vec x) { return 1.0f / x; }
#endif
INLINE float sum(vec x) {
    float total = 0;
    for (int i = 0; i < LANES; i++) total += x[i];
    return total;
}
INLINE float reduce_max(vec x) {
    float most = x[0];
    for (int i = 1; i < LANES; i++) most = x[i] > most ? x[i] : most;
    return most;
}
INLINE vec divide(vec x, vec y) { return x / y; }
INLINE vec rounded(vec x) { return x + 12582912.0f - 12582912.0f; }
INLINE vec scaled(vec x, vec power) {
    return (vec)((ivec)x + ((ivec)(power + 12582912.0f) << 23)); /* the low bits of that sum are the power */
}
#endif

/* e^x = 2^power (1 + r + r^2 q): returns r + r^2 q, |r| <= ln 2 / 2. The polynomial of Cephes. */
INLINE vec exp_parts(vec x, vec *power) {
    *power = rounded(x * 1.44269504088896341f);
    vec rest = x - *power * 0.693359375f + *power * 2.12194440e-4f;
    vec total = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    total = total * rest + 8.3334519073e-3f;
    total = total * rest + 4.1665795894e-2f;
    total = total * rest + 1.6666665459e-1f;
    total = total * rest + 5.0000001201e-1f;
    return total * (rest * rest) + rest;
}

/* e^x to 2 units in the last place, x clamped to [-87, most]; most is at most 88. */
INLINE vec exp_up_to(const float most, vec x) {
    vec power, part = exp_parts(at_least(at_most(x, most), -87.0f), &power);
    return scaled(part + 1.0f, power);
}

INLINE vec vec_exp(vec x) { return exp_up_to(88.0f, x); }

/* tanh x to a few units in the last place; its largest value is 1 - 3e-7. The rational function of Eigen. */
INLINE vec vec_tanh(vec x) {
    x = at_least(at_most(x, 7.90531110763549805f), -7.90531110763549805f);
    vec square = x * x;
    vec above = square * -2.76076847742355e-16f + 2.00018790482477e-13f;
    above = above * square - 8.60467152213735e-11f;
    above = above * square + 5.12229709037114e-08f;
    above = above * square + 1.48572235717979e-05f;
    above = above * square + 6.37261928875436e-04f;
    above = above * square + 4.89352455891786e-03f;
    vec below = square * 1.19825839466702e-06f + 1.18534705686654e-04f;
    below = below * square + 2.26843463243900e-03f;
    below = below * square + 4.89352518554385e-03f;
    return divide(x * above, below);
}

INLINE vec vec_sigmoid(vec x) { return divide(splat(1.0f), 1.0f + vec_exp(-x)); }

/* tanh x = m / (m + 2), m = e^2x - 1: accurate near 1 too, where a cell's gradient depends on 1 - tanh^2. */
INLINE vec accurate_tanh(vec x) {
    vec power, part = exp_parts(2.0f * at_least(at_most(x, 10.0f), -10.0f), &power), scale = scaled(splat(1.0f), power);
    vec less_one = scale * part + (scale - 1.0f);
    return divide(less_one, less_one + 2.0f);
}

/* 0, 1, 2 .. */
INLINE ivec lane_numbers(void) {
    ivec x = {0};
    for (int i = 0; i < LANES; i++) x[i] = i;
    return x;
}

/* The first `count` numbers, and `rest` after them. */
INLINE vec keep_first(vec x, int count, float rest) {
    if (count >= LANES) return x;
    ivec inside = lane_numbers() < count;
    return (vec)((inside & (ivec)x) | (~inside & (ivec)splat(rest)));
}

INLINE int padded(int n) { return (n + 15) / 16 * 16; }

static inline void clear(float *x, int from, int to) {
    if (to > from) memset(x + from, 0, sizeof(float) * (size_t)(to - from));
}

/* Rows of `width` numbers, each padded with zeros to `padded_width`. */
static inline void pad_rows(long rows, int width, int padded_width, const float *from, float *to) {
    for (; rows > 0; rows--, from += width, to += padded_width) {
        memcpy(to, from, sizeof(float) * (size_t)width);
        clear(to, width, padded_width);
    }
}

/* [rows, width] -> [width, stride], each row padded with zeros. */
static inline void transpose(int rows, int width, int stride, const float *from, float *to) {
    for (int i = 0; i < width; i++, to += stride) {
        for (int j = 0; j < rows; j++) to[j] = from[(long)j * width + i];
        clear(to, rows, stride);
    }
}

static inline float total(int count, const float *x) {
    vec all = {0};
    for (int j = 0; j < count; j += LANES) all += load_partial(x + j, count - j);
    return sum(all);
}

static inline float dot(int count, const float *x, const float *y) {
    vec total = {0};
    for (int j = 0; j < count; j += LANES) total += load_partial(x + j, count - j) * load_partial(y + j, count - j);
    return sum(total);
}

#endif
