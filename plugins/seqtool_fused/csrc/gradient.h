/* Gradients of weights as sums of outer products, buffered over steps so that each pass over the sums has enough work.
 */
#ifndef SEQTOOL_GRADIENT_H
#define SEQTOOL_GRADIENT_H

#include "product.h"

#define MIN_CAPACITY 96

/* One thread's buffer: in [filled, width_in]^T out [filled, width_out] is yet to be added to sums [width_in,
   width_out], and out to bias [width_out]. `in` holds inputs of a linear map, `out` gradients of its outputs. */
typedef struct {
    int capacity, filled, width_in, width_out;
    float *in, *out, *packed, *sums, *bias;
} GradientBuffer;

/* A buffer for at least `rows` rows; `in` is NULL if memory runs out. */
static inline GradientBuffer new_gradient_buffer(int rows, int width_in, int width_out) {
    int capacity = rows > MIN_CAPACITY ? rows : MIN_CAPACITY;
    GradientBuffer buffer = {.capacity = capacity, .width_in = width_in, .width_out = width_out};
    size_t in = (size_t)capacity * (size_t)width_in, out = (size_t)capacity * (size_t)width_out;
    size_t sums = (size_t)width_in * (size_t)width_out;
    buffer.packed = new_packed(capacity, width_out);
    float *all = calloc(in + out + sums + (size_t)width_out, sizeof(float));
    if (!all || !buffer.packed) {
        free(all);
        free(buffer.packed);
        buffer.packed = NULL;
        return buffer;
    }
    buffer.in = all;
    buffer.out = buffer.in + in;
    buffer.sums = buffer.out + out;
    buffer.bias = buffer.sums + sums;
    return buffer;
}

static inline void flush(GradientBuffer *buffer) {
    const int width = buffer->width_out;
    pack(buffer->out, width, 1, buffer->filled, width, buffer->packed);
    transposed_product(
        buffer->width_in, buffer->filled, width, buffer->in, buffer->width_in, buffer->packed, buffer->sums, width);
    for (int row = 0; row < buffer->filled; row++) {
        const float *restrict out = buffer->out + (long)row * width;
        float *restrict bias = buffer->bias;
#pragma omp simd
        for (int k = 0; k < width; k++) bias[k] += out[k];
    }
    buffer->filled = 0;
}

/* Reserves the next `rows` rows, which the caller writes. */
static inline void next_rows(GradientBuffer *buffer, int rows, float **in, float **out) {
    if (buffer->filled + rows > buffer->capacity) flush(buffer);
    *in = buffer->in + (long)buffer->filled * buffer->width_in;
    *out = buffer->out + (long)buffer->filled * buffer->width_out;
    buffer->filled += rows;
}

/* Adds the sums of all threads to grad_weights [in, out] and grad_bias [out], in a fixed order, so that equal runs give
   equal numbers; frees the buffers. */
static inline void reduce_buffers(GradientBuffer *all, int threads, float *grad_weights, float *grad_bias) {
    for (int thread = 0; thread < threads; thread++) {
        GradientBuffer *buffer = all + thread;
        if (!buffer->in) continue;
        flush(buffer);
        long count = (long)buffer->width_in * buffer->width_out;
        for (long k = 0; k < count; k++) grad_weights[k] += buffer->sums[k];
        for (int k = 0; k < buffer->width_out; k++) grad_bias[k] += buffer->bias[k];
        free(buffer->in);
        free(buffer->packed);
    }
}

#endif
