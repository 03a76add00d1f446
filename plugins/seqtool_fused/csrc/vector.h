/* Vectors of floats of the processor's width, as a vector extension of GCC and Clang. The code is compiled for the
   machine that runs it, so the width is known here. */
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

/* Prefetches what the next step reads: rows of consecutive steps are too far apart for the hardware prefetcher. */
static inline void prefetch(const float *row, int size) {
    for (int k = 0; k < size; k += 16) __builtin_prefetch(row + k);
}

#endif
