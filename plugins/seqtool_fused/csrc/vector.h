/* Vectors of floats of this machine's width, and exp and tanh that compilers turn into vector code.

   Compiled for the machine it runs on, so the width is known here; GCC's and Clang's vector extension. */
#ifndef SEQTOOL_VECTOR_H
#define SEQTOOL_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#define TILE_VECTORS 4
#define TILE_ROWS 6
#elif defined(__AVX__)
#define LANES 8
#define TILE_VECTORS 2
#define TILE_ROWS 6
#else
#define LANES 4
#define TILE_VECTORS 2
#define TILE_ROWS 4
#endif

#define TILE_WIDTH (LANES * TILE_VECTORS)
#define INLINE static inline __attribute__((always_inline))

typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* e^x, to 2 units in the last place; 0 below -87.3, e^88.3 above 88.3; NaN stays. Cephes' polynomial. */
INLINE float fast_exp(float x) {
    x = x > 88.3f ? 88.3f : x;
    float low = x < -87.3f ? -87.3f : x;
    float power = __builtin_floorf(low * 1.44269504088896341f + 0.5f);
    float rest = low - power * 0.693359375f + power * 2.12194440e-4f;
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1.0f;
    union { int32_t i; float f; } scale = {.i = ((int32_t)power + 127) << 23};
    return x < -87.3f ? 0.0f : sum * scale.f;
}

/* tanh x, to a few units in the last place; NaN stays. The rational function that Eigen uses. */
INLINE float fast_tanh(float x) {
    x = x > 7.90531110763549805f ? 7.90531110763549805f : x;
    x = x < -7.90531110763549805f ? -7.90531110763549805f : x;
    float square = x * x;
    float above = -2.76076847742355e-16f;
    above = above * square + 2.00018790482477e-13f;
    above = above * square - 8.60467152213735e-11f;
    above = above * square + 5.12229709037114e-08f;
    above = above * square + 1.48572235717979e-05f;
    above = above * square + 6.37261928875436e-04f;
    above = above * square + 4.89352455891786e-03f;
    float below = 1.19825839466702e-06f;
    below = below * square + 1.18534705686654e-04f;
    below = below * square + 2.26843463243900e-03f;
    below = below * square + 4.89352518554385e-03f;
    return x * above / below;
}

/* Ask for what is read a step later: rows of a step stand too far from those of the next for the machine to guess. */
static inline void soon(const float *row, int size) {
    for (int k = 0; k < size; k += 16) __builtin_prefetch(row + k);
}

#endif
