/* Products of a few rows with a matrix that is reused many times, such as the recurrent weights of a cell.

   The matrix is packed once into panels of TILE_WIDTH columns; a tile of TILE_ROWS x TILE_WIDTH sums stays in
   registers. For tens to hundreds of columns this is faster than general libraries, which pack the matrix at each call.
 */
#ifndef SEQTOOL_PRODUCT_H
#define SEQTOOL_PRODUCT_H

#include <stdlib.h>

#include "vector.h"

INLINE int rounded_up(int width) { return (width + LANES - 1) / LANES * LANES; }

/* Memory for a packed matrix of depth x width, to be freed by the caller; NULL if memory runs out. */
static inline float *new_packed(int depth, int width) {
    return malloc(sizeof(float) * (size_t)depth * (size_t)rounded_up(width) + 1);
}

#pragma GCC visibility push(hidden)

/* packed <- B [depth, width], whose element (k, n) is b[k * down + n * along]. */
void pack(const float *b, long down, long along, int depth, int width, float *packed);

/* C [rows, width] = A [rows, depth] B, or C += A B with `add`; B is packed. Rows of A are a_row apart, of C c_row. */
void product(
    int rows, int depth, int width, const float *a, long a_row, const float *packed, float *c, long c_row, int add);

/* C [rows, width] += A^T B, for gradients of weights: the rows of A [depth, rows] are a_row apart. */
void transposed_product(
    int rows, int depth, int width, const float *a, long a_row, const float *packed, float *c, long c_row);

#pragma GCC visibility pop

#endif
