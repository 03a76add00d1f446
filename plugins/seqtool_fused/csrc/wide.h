/* Vectors held in hand, for sums over places that must not be left to the compiler: parts of vectors, and exp, tanh and
   sigma of all LANES numbers at once. NaN passes through. */
#ifndef SEQTOOL_WIDE_H
#define SEQTOOL_WIDE_H

#include "vector.h"

#if defined(__AVX__)
#include <immintrin.h>
#endif

typedef float wide __attribute__((vector_size(4 * LANES)));
typedef int32_t whole __attribute__((vector_size(4 * LANES)));

INLINE wide load(const float *p) { return (wide) * (const vector *)p; }
INLINE void store(float *p, wide x) { *(vector *)p = (vector)x; }
INLINE wide splat(float x) { return x - (wide){0}; }

#if defined(__AVX512F__)
/* The first `count` numbers, zeros after them; and back, nothing else touched. */
INLINE wide load_some(const float *p, int count) {
    return count >= LANES ? load(p) : (wide)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}
INLINE void store_some(float *p, wide x, int count) {
    if (count >= LANES)
        store(p, x);
    else
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)x);
}
INLINE wide at_most(wide x, float most) { return (wide)_mm512_min_ps((__m512)splat(most), (__m512)x); }
INLINE wide at_least(wide x, float least) { return (wide)_mm512_max_ps((__m512)splat(least), (__m512)x); }
INLINE wide larger(wide x, wide y) { return (wide)_mm512_max_ps((__m512)x, (__m512)y); }
INLINE float sum(wide x) { return _mm512_reduce_add_ps((__m512)x); }
INLINE float largest(wide x) { return _mm512_reduce_max_ps((__m512)x); }
/* One step of Newton's method after the processor's 14 bits: half the time of a division. */
INLINE wide reciprocal(wide x) {
    wide near = (wide)_mm512_rcp14_ps((__m512)x);
    return near * (2.0f - x * near);
}
INLINE wide quotient(wide x, wide y) { return x * reciprocal(y); }
INLINE wide rounded(wide x) { return (wide)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT); }
/* x 2^power, of a whole power. */
INLINE wide scaled(wide x, wide power) { return (wide)_mm512_scalef_ps((__m512)x, (__m512)power); }
#else
INLINE wide load_some(const float *p, int count) {
    if (count >= LANES) return load(p);
    float room[LANES] = {0};
    for (int i = 0; i < count; i++) room[i] = p[i];
    return load(room);
}
INLINE void store_some(float *p, wide x, int count) {
    if (count >= LANES) {
        store(p, x);
        return;
    }
    float room[LANES];
    store(room, x);
    for (int i = 0; i < count; i++) p[i] = room[i];
}
#if defined(__AVX__)
INLINE wide at_most(wide x, float most) { return (wide)_mm256_min_ps((__m256)splat(most), (__m256)x); }
INLINE wide at_least(wide x, float least) { return (wide)_mm256_max_ps((__m256)splat(least), (__m256)x); }
INLINE wide larger(wide x, wide y) { return (wide)_mm256_max_ps((__m256)x, (__m256)y); }
/* 12 bits, and a step of Newton's method: of 1 not quite 1, so that quotients are divided. */
INLINE wide reciprocal(wide x) {
    wide near = (wide)_mm256_rcp_ps((__m256)x);
    return near * (2.0f - x * near);
}
#else
INLINE wide either(whole first, wide x, wide y) { return (wide)((first & (whole)x) | (~first & (whole)y)); }
INLINE wide at_most(wide x, float most) { return either((whole)(x > splat(most)), splat(most), x); }
INLINE wide at_least(wide x, float least) { return either((whole)(x < splat(least)), splat(least), x); }
INLINE wide larger(wide x, wide y) { return either((whole)(x > y), x, y); }
INLINE wide reciprocal(wide x) { return 1.0f / x; }
#endif
INLINE float sum(wide x) {
    float total = 0;
    for (int i = 0; i < LANES; i++) total += x[i];
    return total;
}
INLINE float largest(wide x) {
    float most = x[0];
    for (int i = 1; i < LANES; i++) most = x[i] > most ? x[i] : most;
    return most;
}
INLINE wide quotient(wide x, wide y) { return x / y; }
INLINE wide rounded(wide x) { return x + 12582912.0f - 12582912.0f; }
INLINE wide scaled(wide x, wide power) {
    return (wide)((whole)x + ((whole)(power + 12582912.0f) << 23)); /* the power stands in the last bits of that sum */
}
#endif

/* e^x = 2^power (1 + r + r^2 q): gives r + r^2 q, r being within ln 2 / 2 of 0. Cephes' polynomial. */
INLINE wide parts_of_exp(wide x, wide *power) {
    *power = rounded(x * 1.44269504088896341f);
    wide rest = x - *power * 0.693359375f + *power * 2.12194440e-4f;
    wide total = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    total = total * rest + 8.3334519073e-3f;
    total = total * rest + 4.1665795894e-2f;
    total = total * rest + 1.6666665459e-1f;
    total = total * rest + 5.0000001201e-1f;
    return total * (rest * rest) + rest;
}

/* e^x, to 2 units in the last place, x held within [-87, most], most being 88 or less. */
INLINE wide exp_up_to(const float most, wide x) {
    wide power, part = parts_of_exp(at_least(at_most(x, most), -87.0f), &power);
    return scaled(part + 1.0f, power);
}

INLINE wide wide_exp(wide x) { return exp_up_to(88.0f, x); }

/* tanh x, to a few units in the last place; near 1 it stops 3e-7 short. The rational function that Eigen uses. */
INLINE wide wide_tanh(wide x) {
    x = at_least(at_most(x, 7.90531110763549805f), -7.90531110763549805f);
    wide square = x * x;
    wide above = square * -2.76076847742355e-16f + 2.00018790482477e-13f;
    above = above * square - 8.60467152213735e-11f;
    above = above * square + 5.12229709037114e-08f;
    above = above * square + 1.48572235717979e-05f;
    above = above * square + 6.37261928875436e-04f;
    above = above * square + 4.89352455891786e-03f;
    wide below = square * 1.19825839466702e-06f + 1.18534705686654e-04f;
    below = below * square + 2.26843463243900e-03f;
    below = below * square + 4.89352518554385e-03f;
    return quotient(x * above, below);
}

INLINE wide wide_sigmoid(wide x) { return quotient(splat(1.0f), 1.0f + wide_exp(-x)); }

/* tanh x = m / (m + 2), m = e^2x - 1, right to the last places near 1 too, where a cell's gradient lives on 1 - tanh^2. */
INLINE wide sharp_tanh(wide x) {
    wide power, part = parts_of_exp(2.0f * at_least(at_most(x, 10.0f), -10.0f), &power), scale = scaled(splat(1.0f), power);
    wide less_one = scale * part + (scale - 1.0f);
    return quotient(less_one, less_one + 2.0f);
}

/* 0, 1, 2 .. */
INLINE whole numbers(void) {
    whole x = {0};
    for (int i = 0; i < LANES; i++) x[i] = i;
    return x;
}

/* The first `count` numbers, `rest` in the place of the others. */
INLINE wide first_of(wide x, int count, float rest) {
    if (count >= LANES) return x;
    whole inside = numbers() < count;
    return (wide)((inside & (whole)x) | (~inside & (whole)splat(rest)));
}

INLINE int padded(int n) { return (n + 15) / 16 * 16; }

static inline void clear(float *x, int from, int to) {
    if (to > from) memset(x + from, 0, sizeof(float) * (size_t)(to - from));
}

/* Rows of `width` numbers, each followed by zeros up to `wide_row`. */
static inline void widen(long rows, int width, int wide_row, const float *from, float *to) {
    for (; rows > 0; rows--, from += width, to += wide_row) {
        memcpy(to, from, sizeof(float) * (size_t)width);
        clear(to, width, wide_row);
    }
}

/* [rows, width] -> [width, stride], each row followed by zeros. */
static inline void turn(int rows, int width, int stride, const float *from, float *to) {
    for (int i = 0; i < width; i++, to += stride) {
        for (int j = 0; j < rows; j++) to[j] = from[(long)j * width + i];
        clear(to, rows, stride);
    }
}

static inline float total(int count, const float *x) {
    wide all = {0};
    for (int j = 0; j < count; j += LANES) all += load_some(x + j, count - j);
    return sum(all);
}

static inline float inner(int count, const float *x, const float *y) {
    wide total = {0};
    for (int j = 0; j < count; j += LANES) total += load_some(x + j, count - j) * load_some(y + j, count - j);
    return sum(total);
}

#endif
