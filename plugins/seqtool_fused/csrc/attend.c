/* The recurrent attention loops, forward and backward. Each thread takes its rows of the batch through all steps, some
   at a time, so that their keys and values stay near; the gradients of maps are sums over all steps at the end. */
#include "attend.h"

#include "cells.h"
#include "content.h"
#include "product.h"
#include "threads.h"
#include "window.h"

#define NEAR 160000 /* numbers of keys and values that are gone through again and again at a step */
#define LEAST 24    /* rows that are worth a pass over the maps */
#define NARROW 16   /* values of at most this width stand turned: sums over places for each of them are few */
#define FLAT 128    /* backward: sums over the width for each place are wanted */
#define DEPTH 256   /* rows of a sum of outer products that are packed at once */

/* Maps as `pack` leaves them (backward: turned), and what only backward writes for itself. */
typedef struct {
    int gates, shift;  /* columns of the gates that h maps to; where those begin that the input maps to */
    int fed, with_x;   /* columns of z up to the context or the last h~, and up to x if it is not looked up */
    int at_zero;       /* how many of them map to columns from 0 on, the others to those from `shift` on */
    int asks;          /* width of what the query's parts map to */
    int z_row, query_row, key_width, value_width;
    int narrow;        /* whether values are [B, M, S up to a multiple of 16] */
    int *counts;       /* [B]: places up to the last real one; negative where not all of them are real */
    int *direct;       /* [B]: whether an additive row's keys are too large for exponentials */
    float all_v;       /* the sum of v */
    Gmm gmm;
    float *z_map, *shifted_map, *query_h, *query_c, *query_x, *window, *combine;
    float *bias, *vector, *keys, *values, *of_keys;
    float *of_gates, *of_asked, *of_query, *of_scores, *of_context, *of_joined, *of_vector, *of_z_map;
} Plan;

/* A thread's own: rows first .. first + count of the batch that it is at, and room. */
typedef struct {
    int thread, first, count;
    float *scores, *window, *context, *joined, *prepared, *packed, *of_z;
} Work;

typedef struct {
    float *base;
    size_t used;
} Shelf;

static float *take(Shelf *shelf, long count) {
    float *at = shelf->base ? shelf->base + shelf->used : NULL;
    shelf->used += ((size_t)count + 15) / 16 * 16;
    return at;
}

static float *place(const Loop *l, float *all, int width, int t, int b) { return all + ((long)t * l->B + b) * width; }

/* ---- one look of one row ---- */

/* How many places there are up to the last real one; `real` is NULL where all of them are. */
static int places(const Loop *l, const Plan *p, int b, const uint8_t **real) {
    *real = p->counts[b] < 0 ? l->mask + b * l->mask_row : NULL;
    return p->counts[b] < 0 ? -p->counts[b] : p->counts[b];
}

static void count_places(const Loop *l, int *counts) {
    for (int b = 0; b < l->B; b++) {
        const uint8_t *mask = l->mask + b * l->mask_row;
        int count = l->S, found = 0;
        while (count && !mask[count - 1]) count--;
        for (int j = 0; j < count; j++) found += mask[j];
        counts[b] = found < count ? -count : count;
    }
}

static const float *values_of(const Loop *l, const Plan *p, int b) {
    return p->values + (long)b * (p->narrow ? l->M * padded(l->S) : l->S * p->value_width);
}

/* Keys of additive scores are as `prepare` leaves them; forward they stand turned, [B, K, S up to a multiple of 16]. */
static float *keys_of(const Loop *l, const Plan *p, int b) {
    long stride = l->scorer == ADDITIVE && !l->backward ? l->K * padded(l->S) : l->S * p->key_width;
    return p->keys + b * stride;
}

static void look(const Loop *l, const Plan *p, const Work *w, int b, int t, float *context) {
    const uint8_t *real;
    int count = places(l, p, b, &real);
    const float *query = place(l, l->query, p->query_row, t, b);
    float *scores = w->scores, *weights = l->weights + ((long)b * l->T + t) * l->S;
    if (l->scorer == GMM) {
        const double *mean = l->mean + ((long)t * l->B + b) * l->K;
        double *after = l->mean + ((long)(t + 1) * l->B + b) * l->K;
        window_forward(p->gmm, count, real, query, mean, after, padded(l->S), w->window, scores);
    } else if (count) {
        const float *keys = keys_of(l, p, b);
        if (l->scorer == ADDITIVE) {
            prepare(p->direct[b], p->key_width, query, w->prepared);
            additive_scores(p->direct[b], count, l->K, padded(l->S), keys, w->prepared, p->vector, p->all_v, scores);
        } else
            dots(count, p->key_width, keys, query, scores);
        softmax(count, real, scores);
    }
    if (p->narrow)
        turned_blend(count, l->M, padded(l->S), values_of(l, p, b), scores, context);
    else
        blend(count, p->value_width, values_of(l, p, b), scores, context);
    memcpy(weights, scores, sizeof(float) * (size_t)count);
    clear(weights, count, l->S);
}

/* A thread's sums for the gradient of v, and behind them that of the gradients of all scores. */
static float *of_vector(const Plan *p, int thread) { return p->of_vector + (long)thread * (p->key_width + 16); }

/* `context` holds its gradient. */
static void look_backward(const Loop *l, const Plan *p, const Work *w, int b, int t, const float *context) {
    const uint8_t *real;
    int count = places(l, p, b, &real);
    const long at = ((long)b * l->T + t) * l->S;
    const float *query = place(l, l->query, p->query_row, t, b);
    float *of = w->scores, *of_query = place(l, p->of_query, p->query_row, t, b);
    if (p->narrow)
        turned_dots(count, l->M, padded(l->S), values_of(l, p, b), context, of);
    else
        dots(count, p->value_width, values_of(l, p, b), context, of);
    for (int j = 0; l->of_weights && j < count; j++) of[j] += l->of_weights[at + j];
    if (l->scorer == GMM) {
        const double *after = l->mean + ((long)(t + 1) * l->B + b) * l->K;
        window_backward(
            p->gmm, count, real, query, after, padded(l->S), w->window, of, l->of_mean + b * l->K, of_query);
        return;
    }
    if (t) soon(l->weights + at - l->S, l->S); /* those of the step before, which comes next */
    softmax_backward(count, l->weights + at, of);
    if (l->scorer == ADDITIVE) {
        float *of_keys = p->of_keys + (long)b * l->S * p->key_width, *of_v = of_vector(p, w->thread);
        const float *keys = keys_of(l, p, b);
        prepare(p->direct[b], p->key_width, query, w->prepared);
        additive_backward(p->direct[b], count, p->key_width, keys, w->prepared, of, of_query, of_keys, of_v);
        for (int i = 0; i < p->key_width; i++) of_query[i] *= 4 * p->vector[i];
        of_v[p->key_width] += total(count, of);
        return;
    }
    blend(count, p->key_width, keys_of(l, p, b), of, of_query);
    memcpy(p->of_scores + at, of, sizeof(float) * (size_t)count);
    clear(p->of_scores + at, count, l->S);
}

/* ---- the query ---- */

static void copy_scaled(int count, float scale, const float *from, float *to) {
    for (int i = 0; i < count; i++) to[i] = scale * from[i];
}

static void add_scaled(int count, float scale, const float *from, float *to) {
    for (int i = 0; i < count; i++) to[i] += scale * from[i];
}

static void fill_rows(int rows, int width, const float *row, float *out, long out_row) {
    for (int r = 0; r < rows; r++) {
        if (row)
            memcpy(out + r * out_row, row, sizeof(float) * (size_t)width);
        else
            clear(out + r * out_row, 0, width);
    }
}

/* The query of step t, of the state that z and c hold at `when`. */
static void ask(const Loop *l, const Plan *p, const Work *w, int when, int t) {
    const float *h = place(l, l->z, p->z_row, when, w->first), *x = l->x + w->first * l->x_row + t * l->x_step;
    const float *c = l->gru ? NULL : place(l, l->c, l->H, when, w->first);
    float *query = place(l, l->query, p->query_row, t, w->first);
    if (l->scorer == PRODUCT) {
        for (int r = 0; r < w->count; r++, query += p->query_row) {
            if (l->query_h >= 0) copy_scaled(l->H, (float)l->scale, h + (long)r * p->z_row, query + l->query_h);
            if (l->query_c >= 0) copy_scaled(l->H, (float)l->scale, c + (long)r * l->H, query + l->query_c);
            if (l->query_x >= 0) copy_scaled(l->E, (float)l->scale, x + r * l->x_row, query + l->query_x);
            clear(query, l->P, p->query_row);
        }
        return;
    }
    float *asked = l->hidden ? place(l, l->asked, l->hidden, t, w->first) : query;
    const int width = p->asks, row = l->hidden ? l->hidden : p->query_row;
    fill_rows(w->count, width, l->query_bias, asked, row);
    if (l->query_h >= 0) product(w->count, l->H, width, h, p->z_row, p->query_h, asked, row, 1);
    if (l->query_c >= 0) product(w->count, l->H, width, c, l->H, p->query_c, asked, row, 1);
    if (l->query_x >= 0) product(w->count, l->E, width, x, l->x_row, p->query_x, asked, row, 1);
    if (l->hidden) {
        for (int i = 0; i < w->count * width; i += LANES)
            store_some(asked + i, wide_tanh(load_some(asked + i, w->count * width - i)), w->count * width - i);
        fill_rows(w->count, l->P, l->window_bias, query, p->query_row);
        product(w->count, width, l->P, asked, row, p->window, query, p->query_row, 1);
    }
    for (int r = 0; r < w->count; r++) clear(query + (long)r * p->query_row, l->P, p->query_row);
}

static void ask_backward(const Loop *l, const Plan *p, const Work *w, int t) {
    const float *of = place(l, p->of_query, p->query_row, t, w->first);
    float *of_h = l->of_h + w->first * l->H, *of_c = l->gru ? NULL : l->of_c + w->first * l->H;
    const long x_row = l->T * l->E;
    float *of_x = l->of_x ? l->of_x + w->first * x_row + t * l->E : NULL;
    const int ask_x = l->query_x >= 0 && of_x;
    if (l->scorer == PRODUCT) {
        for (int r = 0; r < w->count; r++, of += p->query_row) {
            if (l->query_h >= 0) add_scaled(l->H, (float)l->scale, of + l->query_h, of_h + r * l->H);
            if (l->query_c >= 0) add_scaled(l->H, (float)l->scale, of + l->query_c, of_c + r * l->H);
            if (ask_x) add_scaled(l->E, (float)l->scale, of + l->query_x, of_x + r * x_row);
        }
        return;
    }
    int width = p->asks, row = p->query_row;
    if (l->hidden) {
        const float *asked = place(l, l->asked, width, t, w->first);
        float *of_asked = place(l, p->of_asked, width, t, w->first);
        product(w->count, l->P, width, of, row, p->window, of_asked, width, 0);
        for (int i = 0; i < w->count * width; i++) of_asked[i] *= 1 - asked[i] * asked[i];
        of = of_asked, row = width;
    }
    if (l->query_h >= 0) product(w->count, width, l->H, of, row, p->query_h, of_h, l->H, 1);
    if (l->query_c >= 0) product(w->count, width, l->H, of, row, p->query_c, of_c, l->H, 1);
    if (ask_x) product(w->count, width, l->E, of, row, p->query_x, of_x, x_row, 1);
}

/* ---- the cell ---- */

static void step(const Loop *l, const Plan *p, const Work *w, int t) {
    const int H = l->H, rest = p->with_x - p->at_zero;
    float *z = place(l, l->z, p->z_row, t, w->first), *gates = place(l, l->gates, 4 * H, t, w->first);
    fill_rows(w->count, 4 * H, p->bias, gates, 4 * H);
    for (int r = 0; l->ids && r < w->count; r++)
        add_scaled(
            p->gates, 1, l->mapped + l->ids[(w->first + r) * l->T + t] * p->gates, gates + (long)r * 4 * H + p->shift);
    for (int r = 0; p->with_x > p->fed && r < w->count; r++)
        copy_scaled(l->E, 1, l->x + (w->first + r) * l->x_row + t * l->x_step, z + (long)r * p->z_row + p->fed);
    product(w->count, p->at_zero, p->gates, z, p->z_row, p->z_map, gates, 4 * H, 1);
    if (rest) product(w->count, rest, p->gates, z + p->at_zero, p->z_row, p->shifted_map, gates + p->shift, 4 * H, 1);
    for (int r = 0; r < w->count; r++, z += p->z_row, gates += 4 * H) {
        float *new_h = place(l, l->z, p->z_row, t + 1, w->first + r);
        if (l->gru)
            gru_forward(H, gates, z, new_h);
        else
            lstm_forward(
                H, gates, place(l, l->c, H, t, w->first + r), new_h, place(l, l->c, H, t + 1, w->first + r));
    }
}

/* How many columns of z a gradient is wanted of: x stands last. */
static int asked_of_z(const Loop *l, const Plan *p) { return l->of_x ? p->with_x : p->fed; }

/* of_h and of_c of the new state in, of the old one out; what was fed goes to `of_seen`, `seen_row` apart. */
static void step_backward(const Loop *l, const Plan *p, const Work *w, int t, float *of_seen, int seen_row) {
    const int H = l->H;
    float *of = place(l, p->of_gates, 4 * H, t, w->first), *of_h = l->of_h + (long)w->first * H;
    for (int r = 0; r < w->count; r++) {
        const int b = w->first + r;
        const float *gates = place(l, l->gates, 4 * H, t, b);
        if (l->gru)
            gru_backward(H, gates, place(l, l->z, p->z_row, t, b), of_h + r * H, of + (long)r * 4 * H);
        else
            lstm_backward(
                H, gates, place(l, l->c, H, t, b), place(l, l->c, H, t + 1, b), of_h + r * H, l->of_c + (long)b * H,
                of + (long)r * 4 * H);
    }
    const int wanted = asked_of_z(l, p), first = wanted < p->at_zero ? wanted : p->at_zero, rest = wanted - first;
    const int second_at = rounded_up(first), row = second_at + rounded_up(rest);
    product(w->count, p->gates, second_at, of, 4 * H, p->z_map, w->of_z, row, 0);
    if (rest)
        product(w->count, p->gates, row - second_at, of + p->shift, 4 * H, p->shifted_map, w->of_z + second_at, row, 0);
    const int skipped = rest ? second_at - first : 0; /* what was padded between the two */
    for (int r = 0; r < w->count; r++) {
        const float *from = w->of_z + (long)r * row;
        add_scaled(H, 1, from, of_h + r * H);
        if (p->fed > H) copy_scaled(p->fed - H, 1, from + H + skipped, of_seen + (long)r * seen_row);
        if (wanted > p->fed)
            add_scaled(l->E, 1, from + p->fed + skipped, l->of_x + ((w->first + r) * l->T + t) * l->E);
    }
}

/* ---- steps ---- */

static void before(const Loop *l, const Plan *p, const Work *w, int t) {
    ask(l, p, w, t, t);
    for (int r = 0; r < w->count; r++) {
        const int b = w->first + r;
        float *context = w->context + (long)r * p->value_width, *to = l->features + (b * l->T + t) * l->F;
        look(l, p, w, b, t, context);
        if (l->feed_seen >= 0) copy_scaled(l->M, 1, context, place(l, l->z, p->z_row, t, b) + l->H);
        if (l->features_context >= 0) copy_scaled(l->M, 1, context, to + l->features_context);
        if (l->features_x >= 0) copy_scaled(l->E, 1, l->x + b * l->x_row + t * l->x_step, to + l->features_x);
    }
    step(l, p, w, t);
    for (int b = w->first; l->features_h >= 0 && b < w->first + w->count; b++)
        copy_scaled(
            l->H, 1, place(l, l->z, p->z_row, t + 1, b), l->features + (b * l->T + t) * l->F + l->features_h);
}

static void before_backward(const Loop *l, const Plan *p, const Work *w, int t) {
    const float *of = l->of_features + w->first * l->of_features_row + t * l->of_features_step;
    for (int r = 0; l->features_h >= 0 && r < w->count; r++)
        add_scaled(l->H, 1, of + r * l->of_features_row + l->features_h, l->of_h + (w->first + r) * l->H);
    step_backward(l, p, w, t, w->context, p->value_width);
    for (int r = 0; r < w->count; r++, of += l->of_features_row) {
        const int b = w->first + r;
        float *context = w->context + (long)r * p->value_width;
        clear(context, l->feed_seen >= 0 ? l->M : 0, p->value_width);
        if (l->features_context >= 0) add_scaled(l->M, 1, of + l->features_context, context);
        if (l->features_x >= 0 && l->of_x) add_scaled(l->E, 1, of + l->features_x, l->of_x + (b * l->T + t) * l->E);
        if (l->of_values) copy_scaled(l->M, 1, context, p->of_context + (b * l->T + t) * l->M);
        look_backward(l, p, w, b, t, context);
    }
    ask_backward(l, p, w, t);
}

static void after(const Loop *l, const Plan *p, const Work *w, int t) {
    const int width = l->M + l->H, D = l->D;
    step(l, p, w, t);
    ask(l, p, w, t + 1, t);
    float *joined = place(l, l->joined, width, t, w->first), *out = l->features + (w->first * l->T + t) * D;
    for (int r = 0; r < w->count; r++) {
        look(l, p, w, w->first + r, t, w->context);
        copy_scaled(l->M, 1, w->context, joined + (long)r * width);
        copy_scaled(l->H, 1, place(l, l->z, p->z_row, t + 1, w->first + r), joined + (long)r * width + l->M);
    }
    product(w->count, width, D, joined, width, p->combine, out, l->T * D, 0);
    for (int r = 0; r < w->count; r++, out += l->T * D) {
        for (int i = 0; i < D; i += LANES) store_some(out + i, wide_tanh(load_some(out + i, D - i)), D - i);
        if (l->feed_seen >= 0) copy_scaled(D, 1, out, place(l, l->z, p->z_row, t + 1, w->first + r) + l->H);
    }
}

static void after_backward(const Loop *l, const Plan *p, const Work *w, int t) {
    const int width = l->M + l->H, D = l->D;
    float *of = place(l, p->of_joined, D, t, w->first), *of_fed = l->feed_seen >= 0 ? l->of_fed + w->first * D : NULL;
    for (int r = 0; r < w->count; r++) {
        const float *given = l->of_features + (w->first + r) * l->of_features_row + t * l->of_features_step;
        const float *out = l->features + ((w->first + r) * l->T + t) * D;
        for (int i = 0; i < D; i++)
            of[r * D + i] = (given[i] + (of_fed ? of_fed[r * D + i] : 0)) * (1 - out[i] * out[i]);
    }
    product(w->count, D, width, of, D, p->combine, w->joined, width, 0);
    for (int r = 0; r < w->count; r++) {
        const int b = w->first + r;
        const float *from = w->joined + (long)r * width;
        copy_scaled(l->M, 1, from, w->context);
        clear(w->context, l->M, p->value_width);
        if (l->of_values) copy_scaled(l->M, 1, from, p->of_context + (b * l->T + t) * l->M);
        add_scaled(l->H, 1, from + l->M, l->of_h + b * l->H);
        look_backward(l, p, w, b, t, w->context);
    }
    ask_backward(l, p, w, t);
    step_backward(l, p, w, t, of_fed, D);
}

/* ---- gradients of what is used at every step ---- */

/* out [rows, width] += a' b, a [depth, rows], b [depth, width] */
static void add_outer(
    int depth, int rows, int width, const float *a, long a_row, const float *b, long b_row, float *out, long out_row,
    float *packed) {
    for (int k = 0; k < depth; k += DEPTH) {
        int some = depth - k < DEPTH ? depth - k : DEPTH;
        pack(b + k * b_row, b_row, 1, some, width, packed);
        turned_product(rows, some, width, a + k * a_row, a_row, packed, out, out_row);
    }
}

/* A thread's share of the rows of a gradient: where it begins; how many there are, 0 or less for none. */
static int share_of(const Work *w, int threads, int rows, int *first) {
    const int share = ((rows + threads - 1) / threads + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
    *first = w->thread * share;
    return rows - *first < share ? rows - *first : share;
}

/* A thread's share of the gradient of a map: out [rows, width] in a larger matrix, of outputs `of` and inputs. */
static void of_map(
    const Loop *l, const Work *w, int threads, int rows, int width, const float *of, long of_row, const float *input,
    long input_row, long input_step, float *out, long out_row) {
    int first, count = share_of(w, threads, rows, &first);
    if (count <= 0) return;
    of += first, out += first * out_row;
    fill_rows(count, width, NULL, out, out_row);
    if (input_step == l->B * input_row) {
        add_outer(l->T * l->B, count, width, of, of_row, input, input_row, out, out_row, w->packed);
        return;
    }
    for (int t = 0; t < l->T; t++)
        add_outer(
            l->B, count, width, of + t * l->B * of_row, of_row, input + t * input_step, input_row, out, out_row, w->packed);
}

static void of_bias(const Loop *l, int width, const float *of, long of_row, float *out) {
    if (!out) return;
    clear(out, 0, width);
    for (long r = 0; r < l->T * l->B; r++) add_scaled(width, 1, of + r * of_row, out);
}

/* Of what weight_ih makes of each symbol: the sum over the steps that it is fed at. */
static void of_mapped(const Loop *l, const Plan *p) {
    clear(l->of_mapped, 0, l->symbols * p->gates);
    for (long t = 0; t < l->T; t++)
        for (long b = 0; b < l->B; b++)
            add_scaled(
                p->gates, 1, place(l, p->of_gates, 4 * l->H, t, b) + p->shift,
                l->of_mapped + l->ids[b * l->T + t] * p->gates);
}

/* Of the maps from z, and from there into the weights that they were joined of. */
static void of_z_maps(const Loop *l, const Plan *p, const Work *w, int threads) {
    const int H = l->H, columns = p->with_x, rest = columns - p->at_zero;
    const long z = p->z_row, row = 4 * H;
    of_map(l, w, threads, p->gates, p->at_zero, p->of_gates, row, l->z, z, l->B * z, p->of_z_map, columns);
    if (rest)
        of_map(
            l, w, threads, p->gates, rest, p->of_gates + p->shift, row, l->z + p->at_zero, z, l->B * z,
            p->of_z_map + p->at_zero, columns);
    int first;
    for (long n = share_of(w, threads, p->gates, &first) - 1; n >= 0; n--) {
        const float *from = p->of_z_map + (first + n) * columns;
        float *of_fed = l->of_weight_ih + (first + n) * l->feed_size;
        copy_scaled(H, 1, from, l->of_weight_hh + (first + n) * H);
        if (p->fed > H) copy_scaled(p->fed - H, 1, from + H, of_fed + l->feed_seen);
        if (columns > p->fed) copy_scaled(l->E, 1, from + p->fed, of_fed + l->feed_x);
    }
}

static void of_maps(const Loop *l, const Plan *p, const Work *w, int threads) {
    const long B = l->B, H = l->H, z = p->z_row, row = 4 * H, width = l->M + H;
    const int Q = l->query_size;
#define OF_MAP(...) of_map(l, w, threads, __VA_ARGS__)
    of_z_maps(l, p, w, threads);
    if (l->ids && w->thread == 0) of_mapped(l, p);
    if (l->D) OF_MAP(l->D, width, p->of_joined, l->D, l->joined, width, B * width, l->of_combine, width);
    if (w->thread == 0) of_bias(l, row, p->of_gates, row, l->of_gates);
    if (l->scorer == PRODUCT) return;
    const float *h = l->D ? l->z + B * z : l->z, *asked = l->hidden ? p->of_asked : p->of_query;
    const int asked_row = l->hidden ? l->hidden : p->query_row, wide_query = p->query_row;
    if (l->query_h >= 0) OF_MAP(p->asks, H, asked, asked_row, h, z, B * z, l->of_query_map + l->query_h, Q);
    if (l->query_c >= 0) OF_MAP(p->asks, H, asked, asked_row, l->c, H, B * H, l->of_query_map + l->query_c, Q);
    if (l->query_x >= 0)
        OF_MAP(p->asks, l->E, asked, asked_row, l->x, l->x_row, l->x_step, l->of_query_map + l->query_x, Q);
    if (l->hidden) OF_MAP(l->P, l->hidden, p->of_query, wide_query, l->asked, l->hidden, B * l->hidden, l->of_window, l->hidden);
    if (w->thread) return;
    of_bias(l, p->asks, asked, asked_row, l->of_query_bias);
    of_bias(l, l->P, p->of_query, p->query_row, l->of_window_bias);
    if (l->scorer != ADDITIVE) return;
    clear(l->of_vector, 0, l->K);
    for (int n = 0; n < threads; n++) {
        const float *some = of_vector(p, n);
        for (int i = 0; i < l->K; i++) l->of_vector[i] += some[p->key_width] - 2 * some[i];
    }
}

/* Of the keys and values of one row. */
static void of_memory(const Loop *l, const Plan *p, const Work *w, int b) {
    const long S = l->S, T = l->T, M = l->M, K = l->K;
    if (l->of_values) {
        clear(l->of_values + b * S * M, 0, S * M);
        add_outer(T, S, M, l->weights + b * T * S, S, p->of_context + b * T * M, M, l->of_values + b * S * M, M, w->packed);
    }
    float *to = l->of_keys + b * S * K;
    if (l->scorer == PRODUCT) {
        clear(to, 0, S * K);
        add_outer(
            T, S, K, p->of_scores + b * T * S, S, place(l, l->query, p->query_row, 0, b), l->B * p->query_row, to, K,
            w->packed);
    }
    for (int j = 0; l->scorer == ADDITIVE && j < S; j++) {
        const float *from = p->of_keys + (b * S + j) * p->key_width;
        for (int i = 0; i < K; i++) to[j * K + i] = 4 * from[i] * p->vector[i];
    }
}

/* ---- the whole ---- */

/* Takes room for a map [out, in] that stands in columns of a wider matrix, and packs it: forward for x W', backward for
   of W. */
static float *packed(const Loop *l, Shelf *shelf, int out, int in, const float *map, int columns) {
    int depth = l->backward ? out : in, width = l->backward ? in : out;
    float *to = take(shelf, (long)depth * rounded_up(width));
    if (to && l->backward)
        pack(map, columns, 1, depth, width, to);
    else if (to)
        pack(map, 1, columns, depth, width, to);
    return to;
}

static float *widened(Shelf *shelf, long rows, int width, int wide_row, const float *from) {
    float *to = take(shelf, rows * wide_row);
    if (to) widen(rows, width, wide_row, from, to);
    return to;
}

/* [B, S, width] -> [B, width, S up to a multiple of 16] */
static float *turned(const Loop *l, Shelf *shelf, int width, const float *from) {
    const int stride = padded(l->S);
    float *to = take(shelf, l->B * width * stride);
    for (long b = 0; to && b < l->B; b++)
        turn(l->S, width, stride, from + b * l->S * width, to + b * width * stride);
    return to;
}

/* Keys as additive scores want them, see `keys_of`. */
static void prepare_keys(const Loop *l, Plan *p, Shelf *shelf) {
    const long of_row = l->backward ? l->S * p->key_width : l->K * padded(l->S);
    p->direct = (int *)take(shelf, l->B);
    p->keys = l->backward ? widened(shelf, l->B * l->S, l->K, p->key_width, l->keys) : turned(l, shelf, l->K, l->keys);
    for (long b = 0; p->keys && b < l->B; b++) {
        float *keys = p->keys + b * of_row;
        p->direct[b] = is_direct(of_row, keys);
        prepare(p->direct[b], of_row, keys, keys);
    }
    for (int i = 0; i < l->K; i++) p->all_v += l->vector[i];
}

/* The maps from z to the gates: weight_hh and weight_ih side by side in z's order, for then an LSTM, whose columns are the
   same for both, has one product a step. */
static void map_z(const Loop *l, Plan *p, Shelf *shelf) {
    const int H = l->H, seen = l->feed_seen < 0 ? 0 : l->D ? l->D : l->M, x = l->feed_x >= 0 && !l->ids ? l->E : 0;
    p->fed = H + seen, p->with_x = H + seen + x, p->at_zero = l->gru ? H : p->with_x;
    const int columns = p->with_x, wanted = l->backward ? asked_of_z(l, p) : columns;
    float *all = take(shelf, (long)p->gates * columns);
    for (long n = 0; all && n < p->gates; n++) {
        const float *fed = l->weight_ih + n * l->feed_size;
        copy_scaled(H, 1, l->weight_hh + n * H, all + n * columns);
        if (seen) copy_scaled(seen, 1, fed + l->feed_seen, all + n * columns + H);
        if (x) copy_scaled(x, 1, fed + l->feed_x, all + n * columns + H + seen);
    }
    const int first = wanted < p->at_zero ? wanted : p->at_zero;
    p->z_map = packed(l, shelf, p->gates, first, all, columns);
    if (wanted > first) p->shifted_map = packed(l, shelf, p->gates, wanted - first, all ? all + first : NULL, columns);
    if (l->backward) p->of_z_map = take(shelf, (long)p->gates * columns);
}

/* Everything that threads share; with an empty shelf it only counts the room. */
static Plan arrange(const Loop *l, Shelf *shelf) {
    const int H = l->H, Q = l->query_size, gates = (l->gru ? 3 : 4) * H;
    const long rows = l->T * l->B, places = l->B * l->S;
    Plan p = {
        .gates = gates, .shift = l->gru ? H : 0, .asks = l->hidden ? l->hidden : l->P,
        .z_row = H + l->feed_size, .query_row = padded(l->P), .key_width = padded(l->K), .value_width = padded(l->M),
        .gmm = {l->K, l->variant, l->softmax}};
    map_z(l, &p, shelf);
    if (l->scorer != PRODUCT) {
        if (l->query_h >= 0) p.query_h = packed(l, shelf, p.asks, H, l->query_map + l->query_h, Q);
        if (l->query_c >= 0) p.query_c = packed(l, shelf, p.asks, H, l->query_map + l->query_c, Q);
        if (l->query_x >= 0) p.query_x = packed(l, shelf, p.asks, l->E, l->query_map + l->query_x, Q);
        if (l->hidden) p.window = packed(l, shelf, l->P, l->hidden, l->window, l->hidden);
    }
    if (l->D) p.combine = packed(l, shelf, l->D, l->M + H, l->combine, l->M + H);
    p.bias = take(shelf, 4 * H);
    if (p.bias) {
        clear(p.bias, 0, 4 * H);
        add_scaled(gates, 1, l->bias_hh, p.bias);
        add_scaled(gates, 1, l->bias_ih, p.bias + p.shift);
    }
    if (l->scorer == ADDITIVE) p.vector = widened(shelf, 1, l->K, p.key_width, l->vector);
    p.counts = (int *)take(shelf, l->B);
    if (p.counts) count_places(l, p.counts);
    p.narrow = l->M <= (l->backward ? FLAT : NARROW);
    if (p.narrow)
        p.values = turned(l, shelf, l->M, l->values);
    else
        p.values = p.value_width == l->M ? (float *)l->values : widened(shelf, places, l->M, p.value_width, l->values);
    if (l->scorer == ADDITIVE)
        prepare_keys(l, &p, shelf);
    else if (l->scorer == PRODUCT)
        p.keys = p.key_width == l->K ? (float *)l->keys : widened(shelf, places, l->K, p.key_width, l->keys);
    if (!l->backward) return p;
    p.of_gates = take(shelf, rows * 4 * H), p.of_query = take(shelf, rows * p.query_row);
    p.of_asked = take(shelf, rows * l->hidden), p.of_joined = take(shelf, rows * l->D);
    if (l->of_values) p.of_context = take(shelf, rows * l->M);
    if (l->scorer == PRODUCT) p.of_scores = take(shelf, rows * l->S);
    if (l->scorer == ADDITIVE) {
        p.of_keys = take(shelf, places * p.key_width), p.of_vector = take(shelf, l->threads * (p.key_width + 16));
        if (p.of_vector) clear(p.of_vector, 0, l->threads * (p.key_width + 16));
    }
    return p;
}

static Work furnish(const Loop *l, const Plan *p, int thread, int rows, Shelf *shelf) {
    Work w = {.thread = thread};
    int widest = l->M + l->H > l->E ? l->M + l->H : l->E;
    if (l->K > widest) widest = l->K;
    if (p->with_x > widest) widest = p->with_x;
    if (l->hidden > widest) widest = l->hidden;
    w.scores = take(shelf, l->S + LANES), w.window = take(shelf, padded(6 * l->K) + l->K * padded(l->S));
    w.context = take(shelf, (long)rows * p->value_width), w.joined = take(shelf, (long)rows * (l->M + l->H));
    w.packed = take(shelf, (long)DEPTH * rounded_up(widest)), w.prepared = take(shelf, p->key_width);
    w.of_z = take(shelf, (long)rows * (rounded_up(p->with_x) + LANES));
    return w;
}

/* How many rows to take through all steps at once. */
static int height(const Loop *l, const Plan *p, int rows) {
    long each = l->S * (p->value_width + (l->scorer == GMM ? 0 : p->key_width)), near = each ? NEAR / each : rows;
    return near < LEAST ? LEAST : near < rows ? near : rows;
}

static void copy_rows(long rows, long width, const float *from, long from_row, float *to, long to_row) {
    for (long r = 0; r < rows; r++) memcpy(to + r * to_row, from + r * from_row, sizeof(float) * (size_t)width);
}

/* The first state of some rows into its place, or the last one out of it. */
static void open_rows(const Loop *l, const Plan *p, long first, long rows) {
    copy_rows(rows, l->H, l->first_h + first * l->H, l->H, l->z + first * p->z_row, p->z_row);
    if (!l->gru) copy_rows(rows, l->H, l->first_c + first * l->H, l->H, l->c + first * l->H, l->H);
    if (l->first_fed) copy_rows(rows, l->D, l->first_fed + first * l->D, l->D, l->z + first * p->z_row + l->H, p->z_row);
    for (long i = first * l->K; l->first_mean && i < (first + rows) * l->K; i++) l->mean[i] = l->first_mean[i];
}

static void close_rows(const Loop *l, const Plan *p, long first, long rows) {
    const long end = l->T * l->B + first;
    copy_rows(rows, l->H, l->z + end * p->z_row, p->z_row, l->last_h + first * l->H, l->H);
    if (!l->gru) copy_rows(rows, l->H, l->c + end * l->H, l->H, l->last_c + first * l->H, l->H);
    if (l->last_fed)
        copy_rows(rows, l->D, l->features + (first * l->T + l->T - 1) * l->D, l->T * l->D, l->last_fed + first * l->D, l->D);
    for (long i = 0; l->last_mean && i < rows * l->K; i++) l->last_mean[first * l->K + i] = (float)l->mean[end * l->K + i];
}

static void run(const Loop *l, const Plan *p, Work *w, int first, int end) {
    const int most = height(l, p, end - first);
    for (int b = first; b < end; b += most) {
        w->first = b, w->count = end - b < most ? end - b : most;
        if (!l->backward) open_rows(l, p, b, w->count);
        if (p->of_keys) clear(p->of_keys + (long)b * l->S * p->key_width, 0, w->count * l->S * p->key_width);
        for (int t = 0; t < l->T; t++) {
            if (l->backward)
                (l->D ? after_backward : before_backward)(l, p, w, l->T - 1 - t);
            else
                (l->D ? after : before)(l, p, w, t);
        }
        if (!l->backward) close_rows(l, p, b, w->count);
        for (int r = b; l->backward && r < b + w->count; r++) of_memory(l, p, w, r);
    }
}

int seqtool_attend(const Loop *l) {
    const int threads = l->threads, rows = (l->B + threads - 1) / threads;
    Shelf counted = {0};
    Plan p = arrange(l, &counted);
    size_t shared = counted.used;
    furnish(l, &p, 0, rows, &counted);
    size_t own = counted.used - shared;
    float *room = malloc(sizeof(float) * (shared + (size_t)threads * own + 16));
    if (!room) return 1;
    Shelf shelf = {.base = (float *)(((uintptr_t)room + 63) / 64 * 64)};
    p = arrange(l, &shelf);
#pragma omp parallel num_threads(threads)
    {
        int all = omp_get_num_threads();
        for (int thread = omp_get_thread_num(); thread < threads; thread += all) {
            Shelf mine = {.base = shelf.base + shared + (size_t)thread * own};
            Work w = furnish(l, &p, thread, rows, &mine);
            int end = (thread + 1) * rows < l->B ? (thread + 1) * rows : l->B;
            run(l, &p, &w, thread * rows, end);
        }
#pragma omp barrier
        for (int thread = omp_get_thread_num(); l->backward && thread < threads; thread += all) {
            Shelf mine = {.base = shelf.base + shared + (size_t)thread * own};
            Work w = furnish(l, &p, thread, rows, &mine);
            of_maps(l, &p, &w, threads);
        }
    }
    free(room);
    return 0;
}
