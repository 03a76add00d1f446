/* The gradient of weights: sums of products of rows, gathered over some steps so that each pass over the sums pays. */
#ifndef SEQTOOL_GRADIENT_H
#define SEQTOOL_GRADIENT_H

#include "product.h"

#define GATHER 96

/* One thread's share: left [held, left_width]' right [held, right_width] is still to be added to sums. */
typedef struct {
    int room, held, left_width, right_width;
    float *left, *right, *packed, *sums, *bias;
} Gathered;

/* Room for `rows` rows at a time; `left` is NULL without memory. */
static inline Gathered new_gathered(int rows, int left_width, int right_width) {
    int room = rows > GATHER ? rows : GATHER;
    Gathered seen = {.room = room, .left_width = left_width, .right_width = right_width};
    size_t left = (size_t)room * (size_t)left_width, right = (size_t)room * (size_t)right_width;
    size_t sums = (size_t)left_width * (size_t)right_width;
    seen.packed = new_packed(room, right_width);
    float *all = calloc(left + right + sums + (size_t)left_width, sizeof(float));
    if (!all || !seen.packed) {
        free(all);
        free(seen.packed);
        return seen;
    }
    seen.left = all;
    seen.right = all + left;
    seen.sums = seen.right + right;
    seen.bias = seen.sums + sums;
    return seen;
}

static inline void add_held(Gathered *seen) {
    pack(seen->right, seen->right_width, 1, seen->held, seen->right_width, seen->packed);
    turned_product(
        seen->left_width, seen->held, seen->right_width, seen->left, seen->left_width, seen->packed, seen->sums,
        seen->right_width);
    for (int row = 0; row < seen->held; row++) {
        const float *restrict left = seen->left + (long)row * seen->left_width;
        float *restrict bias = seen->bias;
#pragma omp simd
        for (int k = 0; k < seen->left_width; k++) bias[k] += left[k];
    }
    seen->held = 0;
}

/* Where `rows` more rows are to be written; they count from now on. */
static inline void next_rows(Gathered *seen, int rows, float **left, float **right) {
    if (seen->held + rows > seen->room) add_held(seen);
    *left = seen->left + (long)seen->held * seen->left_width;
    *right = seen->right + (long)seen->held * seen->right_width;
    seen->held += rows;
}

/* Add everything of all threads, in their order, so that equal runs give equal numbers, to of_weights [left, right]
   and of_bias [left]; and give the threads' room back. */
static inline void collect(Gathered *all, int threads, float *of_weights, float *of_bias) {
    for (int thread = 0; thread < threads; thread++) {
        Gathered *seen = all + thread;
        if (!seen->left) continue;
        add_held(seen);
        long count = (long)seen->left_width * seen->right_width;
        for (long k = 0; k < count; k++) of_weights[k] += seen->sums[k];
        for (int k = 0; k < seen->left_width; k++) of_bias[k] += seen->bias[k];
        free(seen->left);
        free(seen->packed);
    }
}

#endif
