/* Products of a few rows with a matrix that is used again and again, such as the recurrent weights of a cell.

   The matrix is packed once into panels of TILE_WIDTH columns; a tile of TILE_ROWS x TILE_WIDTH sums stays in
   registers. For some tens to hundreds of columns this beats a call of a general library, which packs each time. */
#ifndef SEQTOOL_PRODUCT_H
#define SEQTOOL_PRODUCT_H

#include <stdlib.h>

#include "vector.h"

INLINE int rounded_up(int width) { return (width + LANES - 1) / LANES * LANES; }

/* Room for a packed matrix of depth x width, NULL without memory; free() it. */
static inline float *new_packed(int depth, int width) {
    return malloc(sizeof(float) * (size_t)depth * (size_t)rounded_up(width) + 1);
}

#pragma GCC visibility push(hidden)

/* packed <- B [depth, width], whose element (k, n) stands at b[k * down + n * along]. */
void pack(const float *b, long down, long along, int depth, int width, float *packed);

/* C [rows, width] = A [rows, depth] B, or C += A B with `add`; B as `pack` left it. Rows are a_row and c_row apart. */
void product(
    int rows, int depth, int width, const float *a, long a_row, const float *packed, float *c, long c_row, int add);

/* C [rows, width] += A' B, the gradient of weights: A [depth, rows] stands with its rows a_row apart. */
void turned_product(
    int rows, int depth, int width, const float *a, long a_row, const float *packed, float *c, long c_row);

#pragma GCC visibility pop

#endif
