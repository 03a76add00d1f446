#include "product.h"

#include <string.h>

void pack(const float *b, long down, long along, int depth, int width, float *packed) {
    for (int first = 0; first < width; first += TILE_WIDTH) {
        int count = width - first < TILE_WIDTH ? width - first : TILE_WIDTH;
        int stored = rounded_up(count);
        for (int k = 0; k < depth; k++, packed += stored) {
            const float *row = b + k * down + first * along;
            if (along == 1) {
                memcpy(packed, row, sizeof(float) * (size_t)count);
                memset(packed + count, 0, sizeof(float) * (size_t)(stored - count));
            } else {
                for (int n = 0; n < stored; n++) packed[n] = n < count ? row[n * along] : 0.0f;
            }
        }
    }
}

/* One tile of C = A B, or C += A B with `add`: element (r, k) of A is a[r * a_row + k * a_next]; B is contiguous. */
INLINE void tile(
    const int rows, const int vectors, int depth, const float *a, long a_row, long a_next, const float *panel, float *c,
    long c_row, int add) {
    vector sum[TILE_ROWS][TILE_VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[r][v] = add ? *(const vector *)(c + r * c_row + v * LANES) : (vector){0};
    for (int k = 0; k < depth; k++) {
        vector right[TILE_VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) right[v] = *(const vector *)(panel + (k * vectors + v) * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            float left = a[r * a_row + k * a_next];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) sum[r][v] += left * right[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) *(vector *)(c + r * c_row + v * LANES) = sum[r][v];
}

#define TILE(rows, vectors)                                                                                            \
    tile(rows, vectors, depth, a, transposed ? 1 : a_step, transposed ? a_step : 1, panel, c, c_row, add)

INLINE void tile_of_rows(
    const int transposed, int rows, const int vectors, int depth, const float *a, long a_step, const float *panel,
    float *c, long c_row, int add) {
    switch (rows) {
    case 1: TILE(1, vectors); break;
    case 2: TILE(2, vectors); break;
    case 3: TILE(3, vectors); break;
#if TILE_ROWS > 4
    case 4: TILE(4, vectors); break;
    case 5: TILE(5, vectors); break;
#endif
    default: TILE(TILE_ROWS, vectors); break;
    }
}

INLINE void any_tile(
    const int transposed, int rows, int vectors, int depth, const float *a, long a_step, const float *panel, float *c,
    long c_row, int add) {
    switch (vectors) {
    case 1: tile_of_rows(transposed, rows, 1, depth, a, a_step, panel, c, c_row, add); break;
#if TILE_VECTORS > 2
    case 2: tile_of_rows(transposed, rows, 2, depth, a, a_step, panel, c, c_row, add); break;
    case 3: tile_of_rows(transposed, rows, 3, depth, a, a_step, panel, c, c_row, add); break;
#endif
    default: tile_of_rows(transposed, rows, TILE_VECTORS, depth, a, a_step, panel, c, c_row, add); break;
    }
}

INLINE void any_product(
    const int transposed, int rows, int depth, int width, const float *a, long a_step, const float *packed, float *c,
    long c_row, int add) {
    for (int first = 0; first < width; first += TILE_WIDTH) {
        int count = width - first < TILE_WIDTH ? width - first : TILE_WIDTH;
        int stored = rounded_up(count);
        const float *panel = packed + (long)first * depth;
        for (int row = 0; row < rows; row += TILE_ROWS) {
            int some = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
            const float *left = a + (transposed ? row : row * a_step);
            float *here = c + row * c_row + first;
            if (count == stored) {
                any_tile(transposed, some, stored / LANES, depth, left, a_step, panel, here, c_row, add);
                continue;
            }
            float edge[TILE_ROWS * TILE_WIDTH];
            for (int r = 0; add && r < some; r++)
                for (int n = 0; n < stored; n++) edge[r * TILE_WIDTH + n] = n < count ? here[r * c_row + n] : 0;
            any_tile(transposed, some, stored / LANES, depth, left, a_step, panel, edge, TILE_WIDTH, add);
            for (int r = 0; r < some; r++)
                memcpy(here + r * c_row, edge + r * TILE_WIDTH, sizeof(float) * (size_t)count);
        }
    }
}

void product(
    int rows, int depth, int width, const float *a, long a_row, const float *packed, float *c, long c_row, int add) {
    any_product(0, rows, depth, width, a, a_row, packed, c, c_row, add);
}

void transposed_product(
    int rows, int depth, int width, const float *a, long a_row, const float *packed, float *c, long c_row) {
    any_product(1, rows, depth, width, a, a_row, packed, c, c_row, 1);
}
