/* What the files of the attention loops share: the plan of a call, scratch memory, and helpers. */
#ifndef SEQTOOL_ATTEND_PLAN_H
#define SEQTOOL_ATTEND_PLAN_H

#include "attend.h"
#include "product.h"
#include "window.h"

#define PACKED_DEPTH 256 /* rows of a sum of outer products that are packed together */

/* Maps are packed: forward for x W^T, backward for grad W. Memory that only backward writes is at the end. */
typedef struct {
    int gates;               /* number of gate columns, which h maps to */
    int input_shift;         /* the first gate column that the input maps to */
    int x_column, z_columns; /* columns of z before x; all columns of z, without x if it is looked up */
    int unshifted; /* columns of z that map to gates from column 0 on; the others map to those from input_shift on */
    int query_first_width; /* size of the query after its first map */
    int z_row, query_row, key_width, value_width;
    int narrow;  /* whether values are transposed, [B, M, padded S] */
    int *counts; /* [B]: positions up to the last real one; negative if some of them are padding */
    int *direct; /* [B]: whether keys of additive scores are too large for exponentials */
    float sum_v; /* the sum of v */
    Gmm gmm;
    float *z_map, *shifted_map, *query_h, *query_c, *query_x, *window, *combine;
    float *bias, *vector, *keys, *values, *grad_keys;
    float *grad_gates, *grad_query_hidden, *grad_query, *grad_scores, *grad_context, *grad_joined;
    float *grad_vector, *grad_z_map;
} Plan;

/* A thread's scratch memory, and the rows first .. first + count of the batch that it computes. */
typedef struct {
    int thread, first, count;
    float *scores, *window, *context, *joined, *prepared, *packed, *grad_z;
} Workspace;

/* One block of memory, from which arrays are taken one after the other; with `base` NULL it only counts. */
typedef struct {
    float *base;
    size_t used;
} Arena;

/* Row b of step t in an array [T, B, width]. */
static inline float *row_at(const Loop *l, float *all, int width, int t, int b) {
    return all + ((long)t * l->B + b) * width;
}

/* A thread's sums for the gradient of v, followed by the sum of the gradients of all scores. */
static inline float *vector_sums(const Plan *p, int thread) {
    return p->grad_vector + (long)thread * (p->key_width + 16);
}

/* The number of columns of z whose gradient is needed; x is last. */
static inline int grad_z_columns(const Loop *l, const Plan *p) { return l->grad_x ? p->z_columns : p->x_column; }

static inline void copy_scaled(int count, float scale, const float *from, float *to) {
    for (int i = 0; i < count; i++) to[i] = scale * from[i];
}

static inline void add_scaled(int count, float scale, const float *from, float *to) {
    for (int i = 0; i < count; i++) to[i] += scale * from[i];
}

static inline void fill_rows(int rows, int width, const float *row, float *out, long out_row) {
    for (int r = 0; r < rows; r++) {
        if (row)
            memcpy(out + r * out_row, row, sizeof(float) * (size_t)width);
        else
            clear(out + r * out_row, 0, width);
    }
}

#pragma GCC visibility push(hidden)

/* All that the threads of a call share. An arena without memory only counts what is needed. */
Plan new_plan(const Loop *l, Arena *arena);
/* Scratch memory of a thread for up to `rows` rows. */
Workspace new_workspace(const Loop *l, const Plan *p, int thread, int rows, Arena *arena);

/* Scores, weights and context of row b at step t; backward, `context` is the gradient of the context. */
void attend_row(const Loop *l, const Plan *p, const Workspace *w, int b, int t, float *context);
void attend_row_backward(const Loop *l, const Plan *p, const Workspace *w, int b, int t, const float *context);

/* Step t of the rows of a workspace. */
void loop_step(const Loop *l, const Plan *p, const Workspace *w, int t);
void loop_step_backward(const Loop *l, const Plan *p, const Workspace *w, int t);

/* The gradients of all maps, of which each thread computes a part, and of the keys and values of row b. */
void map_gradients(const Loop *l, const Plan *p, const Workspace *w, int threads);
void memory_gradients(const Loop *l, const Plan *p, const Workspace *w, int b);

#pragma GCC visibility pop

#endif
