/* Gradients of what all steps use, maps, keys and values, from the gradients that the steps saved. */
#include "attend_plan.h"

/* out [rows, width] += a^T b, a [depth, rows], b [depth, width] */
static void add_outer(
    int depth, int rows, int width, const float *a, long a_row, const float *b, long b_row, float *out, long out_row,
    float *packed) {
    for (int k = 0; k < depth; k += PACKED_DEPTH) {
        int some = depth - k < PACKED_DEPTH ? depth - k : PACKED_DEPTH;
        pack(b + k * b_row, b_row, 1, some, width, packed);
        transposed_product(rows, some, width, a + k * a_row, a_row, packed, out, out_row);
    }
}

/* The rows of a gradient that a thread computes, from *first on: returns their number, 0 or less for none. */
static int thread_rows(const Workspace *w, int threads, int rows, int *first) {
    const int size = ((rows + threads - 1) / threads + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
    *first = w->thread * size;
    return rows - *first < size ? rows - *first : size;
}

/* A thread's part of the gradient of a linear map: out [rows, width] within a wider matrix, from the gradient of the
   outputs and the inputs. */
static void map_gradient(
    const Loop *l, const Workspace *w, int threads, int rows, int width, const float *grad, long grad_row,
    const float *input, long input_row, long input_step, float *out, long out_row) {
    int first, count = thread_rows(w, threads, rows, &first);
    if (count <= 0) return;
    grad += first, out += first * out_row;
    fill_rows(count, width, NULL, out, out_row);
    if (input_step == l->B * input_row) {
        add_outer(l->T * l->B, count, width, grad, grad_row, input, input_row, out, out_row, w->packed);
        return;
    }
    for (int t = 0; t < l->T; t++)
        add_outer(
            l->B, count, width, grad + t * l->B * grad_row, grad_row, input + t * input_step, input_row, out, out_row,
            w->packed);
}

static void bias_gradient(const Loop *l, int width, const float *grad, long grad_row, float *out) {
    if (!out) return;
    clear(out, 0, width);
    for (long r = 0; r < l->T * l->B; r++) add_scaled(width, 1, grad + r * grad_row, out);
}

/* The gradient of W x of each symbol: the sum over the steps that read it. */
static void projected_gradient(const Loop *l, const Plan *p) {
    clear(l->grad_projected, 0, l->symbols * p->gates);
    for (long t = 0; t < l->T; t++)
        for (long b = 0; b < l->B; b++)
            add_scaled(
                p->gates, 1, row_at(l, p->grad_gates, 4 * l->H, t, b) + p->input_shift,
                l->grad_projected + l->ids[b * l->T + t] * p->gates);
}

/* The gradients of the maps from z, copied to those of weight_ih and weight_hh. */
static void z_map_gradients(const Loop *l, const Plan *p, const Workspace *w, int threads) {
    const int H = l->H, columns = p->z_columns, rest = columns - p->unshifted;
    const long z = p->z_row, row = 4 * H;
    map_gradient(l, w, threads, p->gates, p->unshifted, p->grad_gates, row, l->z, z, l->B * z, p->grad_z_map, columns);
    if (rest)
        map_gradient(
            l, w, threads, p->gates, rest, p->grad_gates + p->input_shift, row, l->z + p->unshifted, z, l->B * z,
            p->grad_z_map + p->unshifted, columns);
    int first;
    for (long n = thread_rows(w, threads, p->gates, &first) - 1; n >= 0; n--) {
        const float *from = p->grad_z_map + (first + n) * columns;
        float *grad_fed = l->grad_weight_ih + (first + n) * l->feed_size;
        copy_scaled(H, 1, from, l->grad_weight_hh + (first + n) * H);
        if (p->x_column > H) copy_scaled(p->x_column - H, 1, from + H, grad_fed + l->feed_attended);
        if (columns > p->x_column) copy_scaled(l->E, 1, from + p->x_column, grad_fed + l->feed_x);
    }
}

void map_gradients(const Loop *l, const Plan *p, const Workspace *w, int threads) {
    const long B = l->B, H = l->H, z = p->z_row, row = 4 * H, width = l->M + H;
    const int Q = l->query_size;
#define MAP_GRADIENT(...) map_gradient(l, w, threads, __VA_ARGS__)
    z_map_gradients(l, p, w, threads);
    if (l->ids && w->thread == 0) projected_gradient(l, p);
    if (l->D) MAP_GRADIENT(l->D, width, p->grad_joined, l->D, l->joined, width, B * width, l->grad_combine, width);
    if (w->thread == 0) bias_gradient(l, row, p->grad_gates, row, l->grad_gates);
    if (l->scorer == PRODUCT) return;
    const float *h = l->D ? l->z + B * z : l->z, *grad_first = l->hidden ? p->grad_query_hidden : p->grad_query;
    const int grad_row = l->hidden ? l->hidden : p->query_row;
    if (l->query_h >= 0)
        MAP_GRADIENT(p->query_first_width, H, grad_first, grad_row, h, z, B * z, l->grad_query_map + l->query_h, Q);
    if (l->query_c >= 0)
        MAP_GRADIENT(p->query_first_width, H, grad_first, grad_row, l->c, H, B * H, l->grad_query_map + l->query_c, Q);
    if (l->query_x >= 0)
        MAP_GRADIENT(
            p->query_first_width, l->E, grad_first, grad_row, l->x, l->x_row, l->x_step, l->grad_query_map + l->query_x,
            Q);
    if (l->hidden)
        MAP_GRADIENT(
            l->P, l->hidden, p->grad_query, p->query_row, l->query_hidden, l->hidden, B * l->hidden, l->grad_window,
            l->hidden);
    if (w->thread) return;
    bias_gradient(l, p->query_first_width, grad_first, grad_row, l->grad_query_bias);
    bias_gradient(l, l->P, p->grad_query, p->query_row, l->grad_window_bias);
    if (l->scorer != ADDITIVE) return;
    clear(l->grad_vector, 0, l->K);
    for (int n = 0; n < threads; n++) {
        const float *some = vector_sums(p, n);
        for (int i = 0; i < l->K; i++) l->grad_vector[i] += some[p->key_width] - 2 * some[i];
    }
}

void memory_gradients(const Loop *l, const Plan *p, const Workspace *w, int b) {
    const long S = l->S, T = l->T, M = l->M, K = l->K;
    if (l->grad_values) {
        clear(l->grad_values + b * S * M, 0, S * M);
        add_outer(
            T, S, M, l->weights + b * T * S, S, p->grad_context + b * T * M, M, l->grad_values + b * S * M, M,
            w->packed);
    }
    float *to = l->grad_keys + b * S * K;
    if (l->scorer == PRODUCT) {
        clear(to, 0, S * K);
        add_outer(
            T, S, K, p->grad_scores + b * T * S, S, row_at(l, l->query, p->query_row, 0, b), l->B * p->query_row, to, K,
            w->packed);
    }
    for (int j = 0; l->scorer == ADDITIVE && j < S; j++) {
        const float *from = p->grad_keys + (b * S + j) * p->key_width;
        for (int i = 0; i < K; i++) to[j * K + i] = 4 * from[i] * p->vector[i];
    }
}
