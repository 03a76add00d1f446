/* The plan of an attention loop: packed maps, prepared keys and values, and scratch memory. */
#include "attend_plan.h"

#define NARROW_FORWARD 16   /* values of at most this size are transposed: few sums over positions */
#define NARROW_BACKWARD 128 /* the same for backward, which sums over the values of each position */

static float *allocate(Arena *arena, long count) {
    float *at = arena->base ? arena->base + arena->used : NULL;
    arena->used += ((size_t)count + 15) / 16 * 16;
    return at;
}

static void count_positions(const Loop *l, int *counts) {
    for (int b = 0; b < l->B; b++) {
        const uint8_t *mask = l->mask + b * l->mask_row;
        int count = l->S, found = 0;
        while (count && !mask[count - 1]) count--;
        for (int j = 0; j < count; j++) found += mask[j];
        counts[b] = found < count ? -count : count;
    }
}

/* Packs a map [out, in], some columns of a wider matrix: forward for x W^T, backward for grad W. */
static float *pack_map(const Loop *l, Arena *arena, int out, int in, const float *map, int columns) {
    int depth = l->backward ? out : in, width = l->backward ? in : out;
    float *to = allocate(arena, (long)depth * rounded_up(width));
    if (to && l->backward)
        pack(map, columns, 1, depth, width, to);
    else if (to)
        pack(map, 1, columns, depth, width, to);
    return to;
}

static float *padded_copy(Arena *arena, long rows, int width, int padded_width, const float *from) {
    float *to = allocate(arena, rows * padded_width);
    if (to) pad_rows(rows, width, padded_width, from, to);
    return to;
}

/* [B, S, width] -> [B, width, padded S] */
static float *transposed_copy(const Loop *l, Arena *arena, int width, const float *from) {
    const int stride = padded(l->S);
    float *to = allocate(arena, l->B * width * stride);
    for (long b = 0; to && b < l->B; b++)
        transpose(l->S, width, stride, from + b * l->S * width, to + b * width * stride);
    return to;
}

/* Keys for additive scores, see `keys_of`. */
static void prepare_keys(const Loop *l, Plan *p, Arena *arena) {
    const long row_size = l->backward ? l->S * p->key_width : l->K * padded(l->S);
    p->direct = (int *)allocate(arena, l->B);
    p->keys = l->backward ? padded_copy(arena, l->B * l->S, l->K, p->key_width, l->keys)
                          : transposed_copy(l, arena, l->K, l->keys);
    for (long b = 0; p->keys && b < l->B; b++) {
        float *keys = p->keys + b * row_size;
        p->direct[b] = is_direct(row_size, keys);
        prepare(p->direct[b], row_size, keys, keys);
    }
    for (int i = 0; i < l->K; i++) p->sum_v += l->vector[i];
}

/* The maps from z to the gates: weight_hh and weight_ih side by side, in the order of z, so that an LSTM, which adds
   both to the same gates, needs one product per step. */
static void pack_z_maps(const Loop *l, Plan *p, Arena *arena) {
    const int H = l->H, x = l->feed_x >= 0 && !l->ids ? l->E : 0;
    int attended = 0;
    if (l->feed_attended >= 0) attended = l->D ? l->D : l->M;
    p->x_column = H + attended, p->z_columns = H + attended + x, p->unshifted = l->gru ? H : p->z_columns;
    const int columns = p->z_columns, wanted = l->backward ? grad_z_columns(l, p) : columns;
    float *all = allocate(arena, (long)p->gates * columns);
    for (long n = 0; all && n < p->gates; n++) {
        const float *weight_ih = l->weight_ih + n * l->feed_size;
        copy_scaled(H, 1, l->weight_hh + n * H, all + n * columns);
        if (attended) copy_scaled(attended, 1, weight_ih + l->feed_attended, all + n * columns + H);
        if (x) copy_scaled(x, 1, weight_ih + l->feed_x, all + n * columns + H + attended);
    }
    const int first = wanted < p->unshifted ? wanted : p->unshifted;
    p->z_map = pack_map(l, arena, p->gates, first, all, columns);
    if (wanted > first)
        p->shifted_map = pack_map(l, arena, p->gates, wanted - first, all ? all + first : NULL, columns);
    if (l->backward) p->grad_z_map = allocate(arena, (long)p->gates * columns);
}

Plan new_plan(const Loop *l, Arena *arena) {
    const int H = l->H, Q = l->query_size, gates = (l->gru ? 3 : 4) * H;
    const long rows = l->T * l->B, positions = l->B * l->S;
    Plan p = {
        .gates = gates,
        .input_shift = l->gru ? H : 0,
        .query_first_width = l->hidden ? l->hidden : l->P,
        .z_row = H + l->feed_size,
        .query_row = padded(l->P),
        .key_width = padded(l->K),
        .value_width = padded(l->M),
        .gmm = {l->K, l->variant, l->softmax}};
    pack_z_maps(l, &p, arena);
    if (l->scorer != PRODUCT) {
        if (l->query_h >= 0) p.query_h = pack_map(l, arena, p.query_first_width, H, l->query_map + l->query_h, Q);
        if (l->query_c >= 0) p.query_c = pack_map(l, arena, p.query_first_width, H, l->query_map + l->query_c, Q);
        if (l->query_x >= 0) p.query_x = pack_map(l, arena, p.query_first_width, l->E, l->query_map + l->query_x, Q);
        if (l->hidden) p.window = pack_map(l, arena, l->P, l->hidden, l->window, l->hidden);
    }
    if (l->D) p.combine = pack_map(l, arena, l->D, l->M + H, l->combine, l->M + H);
    p.bias = allocate(arena, 4 * H);
    if (p.bias) {
        clear(p.bias, 0, 4 * H);
        add_scaled(gates, 1, l->bias_hh, p.bias);
        add_scaled(gates, 1, l->bias_ih, p.bias + p.input_shift);
    }
    if (l->scorer == ADDITIVE) p.vector = padded_copy(arena, 1, l->K, p.key_width, l->vector);
    p.counts = (int *)allocate(arena, l->B);
    if (p.counts) count_positions(l, p.counts);
    p.narrow = l->M <= (l->backward ? NARROW_BACKWARD : NARROW_FORWARD);
    if (p.narrow)
        p.values = transposed_copy(l, arena, l->M, l->values);
    else
        p.values =
            p.value_width == l->M ? (float *)l->values : padded_copy(arena, positions, l->M, p.value_width, l->values);
    if (l->scorer == ADDITIVE)
        prepare_keys(l, &p, arena);
    else if (l->scorer == PRODUCT)
        p.keys = p.key_width == l->K ? (float *)l->keys : padded_copy(arena, positions, l->K, p.key_width, l->keys);
    if (!l->backward) return p;
    p.grad_gates = allocate(arena, rows * 4 * H), p.grad_query = allocate(arena, rows * p.query_row);
    p.grad_query_hidden = allocate(arena, rows * l->hidden), p.grad_joined = allocate(arena, rows * l->D);
    if (l->grad_values) p.grad_context = allocate(arena, rows * l->M);
    if (l->scorer == PRODUCT) p.grad_scores = allocate(arena, rows * l->S);
    if (l->scorer == ADDITIVE) {
        p.grad_keys = allocate(arena, positions * p.key_width),
        p.grad_vector = allocate(arena, l->threads * (p.key_width + 16));
        if (p.grad_vector) clear(p.grad_vector, 0, l->threads * (p.key_width + 16));
    }
    return p;
}

Workspace new_workspace(const Loop *l, const Plan *p, int thread, int rows, Arena *arena) {
    Workspace w = {.thread = thread};
    int widest = l->M + l->H > l->E ? l->M + l->H : l->E;
    if (l->K > widest) widest = l->K;
    if (p->z_columns > widest) widest = p->z_columns;
    if (l->hidden > widest) widest = l->hidden;
    w.scores = allocate(arena, l->S + LANES), w.window = allocate(arena, padded(6 * l->K) + l->K * padded(l->S));
    w.context = allocate(arena, (long)rows * p->value_width), w.joined = allocate(arena, (long)rows * (l->M + l->H));
    w.packed = allocate(arena, (long)PACKED_DEPTH * rounded_up(widest)), w.prepared = allocate(arena, p->key_width);
    w.grad_z = allocate(arena, (long)rows * (rounded_up(p->z_columns) + LANES));
    return w;
}
