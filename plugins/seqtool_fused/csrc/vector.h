/* Vectors of floats of this machine's width.

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

/* Ask for what is read a step later: rows of a step stand too far from those of the next for the machine to guess. */
static inline void soon(const float *row, int size) {
    for (int k = 0; k < size; k += 16) __builtin_prefetch(row + k);
}

#endif
