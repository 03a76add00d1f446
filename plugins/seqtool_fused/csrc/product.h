/* Products of a few rows with a matrix that is used again and again, such as the recurrent weights of a cell.

   The matrix is packed once into panels of TILE_WIDTH columns; a tile of TILE_ROWS x TILE_WIDTH sums stays in
   registers. For some tens to hundreds of columns this beats a call of a general library, which packs each time. */
#ifndef SEQTOOL_PRODUCT_H
#define SEQTOOL_PRODUCT_H

#include <stdlib.h>

#include "vector.h"

INLINE int rounded_up(int width) { return (width + LANES - 1) / LANES * LANES; }

/* Room for a packed matrix of depth x width, NULL without memory; free() it. */
static float *new_packed(int depth, int width) {
    return malloc(sizeof(float) * (size_t)depth * (size_t)rounded_up(width) + 1);
}

/* packed <- B [depth, width], whose element (k, n) stands at b[k * down + n * along]. */
static void pack(const float *b, long down, long along, int depth, int width, float *packed) {
    for (int first = 0; first < width; first += TILE_WIDTH) {
        int count = width - first < TILE_WIDTH ? width - first : TILE_WIDTH;
        int stored = rounded_up(count);
        for (int k = 0; k < depth; k++) {
            const float *row = b + k * down + first * along;
            for (int n = 0; n < stored; n++) *packed++ = n < count ? row[n * along] : 0.0f;
        }
    }
}

INLINE void tile(
    const int rows, const int vectors, int depth, const float *a, long a_row, const float *panel, float *c, long c_row,
    int add) {
    vector sum[TILE_ROWS][TILE_VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            sum[r][v] = add ? *(const vector *)(c + r * c_row + v * LANES) : (vector){0};
    for (int k = 0; k < depth; k++) {
        vector right[TILE_VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) right[v] = *(const vector *)(panel + (k * vectors + v) * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            float left = a[r * a_row + k];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) sum[r][v] += left * right[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) *(vector *)(c + r * c_row + v * LANES) = sum[r][v];
}

INLINE void tile_of_rows(
    int rows, const int vectors, int depth, const float *a, long a_row, const float *panel, float *c, long c_row,
    int add) {
    switch (rows) {
    case 1: tile(1, vectors, depth, a, a_row, panel, c, c_row, add); break;
    case 2: tile(2, vectors, depth, a, a_row, panel, c, c_row, add); break;
    case 3: tile(3, vectors, depth, a, a_row, panel, c, c_row, add); break;
    case 4: tile(4, vectors, depth, a, a_row, panel, c, c_row, add); break;
#if TILE_ROWS > 4
    case 5: tile(5, vectors, depth, a, a_row, panel, c, c_row, add); break;
    default: tile(6, vectors, depth, a, a_row, panel, c, c_row, add); break;
#endif
    }
}

static void any_tile(
    int rows, int vectors, int depth, const float *a, long a_row, const float *panel, float *c, long c_row, int add) {
    switch (vectors) {
    case 1: tile_of_rows(rows, 1, depth, a, a_row, panel, c, c_row, add); break;
    case 2: tile_of_rows(rows, 2, depth, a, a_row, panel, c, c_row, add); break;
#if TILE_VECTORS > 2
    case 3: tile_of_rows(rows, 3, depth, a, a_row, panel, c, c_row, add); break;
    default: tile_of_rows(rows, 4, depth, a, a_row, panel, c, c_row, add); break;
#endif
    }
}

/* C [rows, width] = A [rows, depth] B, or C += A B with `add`; B as `pack` left it. Rows are a_row and c_row apart. */
static void product(
    int rows, int depth, int width, const float *a, long a_row, const float *packed, float *c, long c_row, int add) {
    for (int first = 0; first < width; first += TILE_WIDTH) {
        int count = width - first < TILE_WIDTH ? width - first : TILE_WIDTH;
        int stored = rounded_up(count);
        const float *panel = packed + (long)first * depth;
        for (int row = 0; row < rows; row += TILE_ROWS) {
            int some = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
            const float *left = a + row * a_row;
            float *here = c + row * c_row + first;
            if (count == stored) {
                any_tile(some, stored / LANES, depth, left, a_row, panel, here, c_row, add);
                continue;
            }
            float edge[TILE_ROWS * TILE_WIDTH];
            for (int r = 0; add && r < some; r++) {
                memset(edge + r * TILE_WIDTH, 0, sizeof(float) * TILE_WIDTH);
                memcpy(edge + r * TILE_WIDTH, here + r * c_row, sizeof(float) * (size_t)count);
            }
            any_tile(some, stored / LANES, depth, left, a_row, panel, edge, TILE_WIDTH, add);
            for (int r = 0; r < some; r++)
                memcpy(here + r * c_row, edge + r * TILE_WIDTH, sizeof(float) * (size_t)count);
        }
    }
}

#endif
