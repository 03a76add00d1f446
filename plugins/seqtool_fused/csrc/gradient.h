/* The gradient of weights: sums of products of rows, gathered over some steps so that each pass over the sums pays. */
#ifndef SEQTOOL_GRADIENT_H
#define SEQTOOL_GRADIENT_H

#include "product.h"

#define GATHER 96

/* One thread's share: in [held, width_in]' out [held, width_out] is still to be added to sums [width_in, width_out],
   and out to bias [width_out]. `in` is what went into a product by the weights, `out` the gradient of what came out. */
typedef struct {
    int room, held, width_in, width_out;
    float *in, *out, *packed, *sums, *bias;
} Gathered;

/* Room for `rows` rows at a time; `in` is NULL without memory. */
static inline Gathered new_gathered(int rows, int width_in, int width_out) {
    int room = rows > GATHER ? rows : GATHER;
    Gathered some = {.room = room, .width_in = width_in, .width_out = width_out};
    size_t in = (size_t)room * (size_t)width_in, out = (size_t)room * (size_t)width_out;
    size_t sums = (size_t)width_in * (size_t)width_out;
    some.packed = new_packed(room, width_out);
    float *all = calloc(in + out + sums + (size_t)width_out, sizeof(float));
    if (!all || !some.packed) {
        free(all);
        free(some.packed);
        return some;
    }
    some.in = all;
    some.out = some.in + in;
    some.sums = some.out + out;
    some.bias = some.sums + sums;
    return some;
}

static inline void add_held(Gathered *some) {
    const int width = some->width_out;
    pack(some->out, width, 1, some->held, width, some->packed);
    turned_product(some->width_in, some->held, width, some->in, some->width_in, some->packed, some->sums, width);
    for (int row = 0; row < some->held; row++) {
        const float *restrict out = some->out + (long)row * width;
        float *restrict bias = some->bias;
#pragma omp simd
        for (int k = 0; k < width; k++) bias[k] += out[k];
    }
    some->held = 0;
}

/* Where `rows` more rows are to be written; they count from now on. */
static inline void next_rows(Gathered *some, int rows, float **in, float **out) {
    if (some->held + rows > some->room) add_held(some);
    *in = some->in + (long)some->held * some->width_in;
    *out = some->out + (long)some->held * some->width_out;
    some->held += rows;
}

/* Add everything of all threads, in their order, so that equal runs give equal numbers, to of_weights [in, out] and
   of_bias [out]; and give the threads' room back. */
static inline void collect(Gathered *all, int threads, float *of_weights, float *of_bias) {
    for (int thread = 0; thread < threads; thread++) {
        Gathered *some = all + thread;
        if (!some->in) continue;
        add_held(some);
        long count = (long)some->width_in * some->width_out;
        for (long k = 0; k < count; k++) of_weights[k] += some->sums[k];
        for (int k = 0; k < some->width_out; k++) of_bias[k] += some->bias[k];
        free(some->in);
        free(some->packed);
    }
}

#endif
