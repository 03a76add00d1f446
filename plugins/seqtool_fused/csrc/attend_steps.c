/* The steps of both attention loops, forward and backward: query, attention, cell and features. */
#include "attend_plan.h"
#include "cells.h"

/* Computes the query of step t from x and the state at index `when` of z and c. */
static void map_query(const Loop *l, const Plan *p, const Workspace *w, int when, int t) {
    const float *h = row_at(l, l->z, p->z_row, when, w->first), *x = l->x + w->first * l->x_row + t * l->x_step;
    const float *c = l->gru ? NULL : row_at(l, l->c, l->H, when, w->first);
    float *query = row_at(l, l->query, p->query_row, t, w->first);
    if (l->scorer == PRODUCT) {
        for (int r = 0; r < w->count; r++, query += p->query_row) {
            if (l->query_h >= 0) copy_scaled(l->H, (float)l->scale, h + (long)r * p->z_row, query + l->query_h);
            if (l->query_c >= 0) copy_scaled(l->H, (float)l->scale, c + (long)r * l->H, query + l->query_c);
            if (l->query_x >= 0) copy_scaled(l->E, (float)l->scale, x + r * l->x_row, query + l->query_x);
            clear(query, l->P, p->query_row);
        }
        return;
    }
    float *query_hidden = l->hidden ? row_at(l, l->query_hidden, l->hidden, t, w->first) : query;
    const int width = p->query_first_width, row = l->hidden ? l->hidden : p->query_row;
    fill_rows(w->count, width, l->query_bias, query_hidden, row);
    if (l->query_h >= 0) product(w->count, l->H, width, h, p->z_row, p->query_h, query_hidden, row, 1);
    if (l->query_c >= 0) product(w->count, l->H, width, c, l->H, p->query_c, query_hidden, row, 1);
    if (l->query_x >= 0) product(w->count, l->E, width, x, l->x_row, p->query_x, query_hidden, row, 1);
    if (l->hidden) {
        for (int i = 0; i < w->count * width; i += LANES)
            store_partial(
                query_hidden + i, vec_tanh(load_partial(query_hidden + i, w->count * width - i)), w->count * width - i);
        fill_rows(w->count, l->P, l->window_bias, query, p->query_row);
        product(w->count, width, l->P, query_hidden, row, p->window, query, p->query_row, 1);
    }
    for (int r = 0; r < w->count; r++) clear(query + (long)r * p->query_row, l->P, p->query_row);
}

static void map_query_backward(const Loop *l, const Plan *p, const Workspace *w, int t) {
    const float *grad = row_at(l, p->grad_query, p->query_row, t, w->first);
    float *grad_h = l->grad_h + w->first * l->H, *grad_c = l->gru ? NULL : l->grad_c + w->first * l->H;
    const long x_row = l->T * l->E;
    float *grad_x = l->grad_x ? l->grad_x + w->first * x_row + t * l->E : NULL;
    const int query_x = l->query_x >= 0 && grad_x;
    if (l->scorer == PRODUCT) {
        for (int r = 0; r < w->count; r++, grad += p->query_row) {
            if (l->query_h >= 0) add_scaled(l->H, (float)l->scale, grad + l->query_h, grad_h + r * l->H);
            if (l->query_c >= 0) add_scaled(l->H, (float)l->scale, grad + l->query_c, grad_c + r * l->H);
            if (query_x) add_scaled(l->E, (float)l->scale, grad + l->query_x, grad_x + r * x_row);
        }
        return;
    }
    int width = p->query_first_width, row = p->query_row;
    if (l->hidden) {
        const float *query_hidden = row_at(l, l->query_hidden, width, t, w->first);
        float *grad_query_hidden = row_at(l, p->grad_query_hidden, width, t, w->first);
        product(w->count, l->P, width, grad, row, p->window, grad_query_hidden, width, 0);
        for (int i = 0; i < w->count * width; i++) grad_query_hidden[i] *= 1 - query_hidden[i] * query_hidden[i];
        grad = grad_query_hidden, row = width;
    }
    if (l->query_h >= 0) product(w->count, width, l->H, grad, row, p->query_h, grad_h, l->H, 1);
    if (l->query_c >= 0) product(w->count, width, l->H, grad, row, p->query_c, grad_c, l->H, 1);
    if (query_x) product(w->count, width, l->E, grad, row, p->query_x, grad_x, x_row, 1);
}

static void cell_step(const Loop *l, const Plan *p, const Workspace *w, int t) {
    const int H = l->H, rest = p->z_columns - p->unshifted;
    float *z = row_at(l, l->z, p->z_row, t, w->first), *gates = row_at(l, l->gates, 4 * H, t, w->first);
    fill_rows(w->count, 4 * H, p->bias, gates, 4 * H);
    for (int r = 0; l->ids && r < w->count; r++)
        add_scaled(
            p->gates, 1, l->projected + l->ids[(w->first + r) * l->T + t] * p->gates,
            gates + (long)r * 4 * H + p->input_shift);
    for (int r = 0; p->z_columns > p->x_column && r < w->count; r++)
        copy_scaled(l->E, 1, l->x + (w->first + r) * l->x_row + t * l->x_step, z + (long)r * p->z_row + p->x_column);
    product(w->count, p->unshifted, p->gates, z, p->z_row, p->z_map, gates, 4 * H, 1);
    if (rest)
        product(w->count, rest, p->gates, z + p->unshifted, p->z_row, p->shifted_map, gates + p->input_shift, 4 * H, 1);
    for (int r = 0; r < w->count; r++, z += p->z_row, gates += 4 * H) {
        float *new_h = row_at(l, l->z, p->z_row, t + 1, w->first + r);
        if (l->gru)
            gru_forward(H, gates, z, new_h);
        else
            lstm_forward(H, gates, row_at(l, l->c, H, t, w->first + r), new_h, row_at(l, l->c, H, t + 1, w->first + r));
    }
}

/* Replaces grad_h and grad_c of the new state by those of the old one. The gradient of the context or h~ that was fed
   goes to `grad_attended`, whose rows are attended_row apart. */
static void
cell_step_backward(const Loop *l, const Plan *p, const Workspace *w, int t, float *grad_attended, int attended_row) {
    const int H = l->H;
    float *grad = row_at(l, p->grad_gates, 4 * H, t, w->first), *grad_h = l->grad_h + (long)w->first * H;
    for (int r = 0; r < w->count; r++) {
        const int b = w->first + r;
        const float *gates = row_at(l, l->gates, 4 * H, t, b);
        if (l->gru)
            gru_backward(H, gates, row_at(l, l->z, p->z_row, t, b), grad_h + r * H, grad + (long)r * 4 * H);
        else
            lstm_backward(
                H, gates, row_at(l, l->c, H, t, b), row_at(l, l->c, H, t + 1, b), grad_h + r * H,
                l->grad_c + (long)b * H, grad + (long)r * 4 * H);
    }
    const int wanted = grad_z_columns(l, p);
    const int first = wanted < p->unshifted ? wanted : p->unshifted, rest = wanted - first;
    const int second_at = rounded_up(first), row = second_at + rounded_up(rest);
    product(w->count, p->gates, second_at, grad, 4 * H, p->z_map, w->grad_z, row, 0);
    if (rest)
        product(
            w->count, p->gates, row - second_at, grad + p->input_shift, 4 * H, p->shifted_map, w->grad_z + second_at,
            row, 0);
    const int skipped = rest ? second_at - first : 0; /* padding between the two products */
    for (int r = 0; r < w->count; r++) {
        const float *from = w->grad_z + (long)r * row;
        add_scaled(H, 1, from, grad_h + r * H);
        if (p->x_column > H)
            copy_scaled(p->x_column - H, 1, from + H + skipped, grad_attended + (long)r * attended_row);
        if (wanted > p->x_column)
            add_scaled(l->E, 1, from + p->x_column + skipped, l->grad_x + ((w->first + r) * l->T + t) * l->E);
    }
}

static void attend_before_step(const Loop *l, const Plan *p, const Workspace *w, int t) {
    map_query(l, p, w, t, t);
    for (int r = 0; r < w->count; r++) {
        const int b = w->first + r;
        float *context = w->context + (long)r * p->value_width, *to = l->features + (b * l->T + t) * l->F;
        attend_row(l, p, w, b, t, context);
        if (l->feed_attended >= 0) copy_scaled(l->M, 1, context, row_at(l, l->z, p->z_row, t, b) + l->H);
        if (l->features_context >= 0) copy_scaled(l->M, 1, context, to + l->features_context);
        if (l->features_x >= 0) copy_scaled(l->E, 1, l->x + b * l->x_row + t * l->x_step, to + l->features_x);
    }
    cell_step(l, p, w, t);
    for (int b = w->first; l->features_h >= 0 && b < w->first + w->count; b++)
        copy_scaled(l->H, 1, row_at(l, l->z, p->z_row, t + 1, b), l->features + (b * l->T + t) * l->F + l->features_h);
}

static void attend_before_step_backward(const Loop *l, const Plan *p, const Workspace *w, int t) {
    const float *grad = l->grad_features + w->first * l->grad_features_row + t * l->grad_features_step;
    for (int r = 0; l->features_h >= 0 && r < w->count; r++)
        add_scaled(l->H, 1, grad + r * l->grad_features_row + l->features_h, l->grad_h + (w->first + r) * l->H);
    cell_step_backward(l, p, w, t, w->context, p->value_width);
    for (int r = 0; r < w->count; r++, grad += l->grad_features_row) {
        const int b = w->first + r;
        float *context = w->context + (long)r * p->value_width;
        clear(context, l->feed_attended >= 0 ? l->M : 0, p->value_width);
        if (l->features_context >= 0) add_scaled(l->M, 1, grad + l->features_context, context);
        if (l->features_x >= 0 && l->grad_x)
            add_scaled(l->E, 1, grad + l->features_x, l->grad_x + (b * l->T + t) * l->E);
        if (l->grad_values) copy_scaled(l->M, 1, context, p->grad_context + (b * l->T + t) * l->M);
        attend_row_backward(l, p, w, b, t, context);
    }
    map_query_backward(l, p, w, t);
}

static void attend_after_step(const Loop *l, const Plan *p, const Workspace *w, int t) {
    const int width = l->M + l->H, D = l->D;
    cell_step(l, p, w, t);
    map_query(l, p, w, t + 1, t);
    float *joined = row_at(l, l->joined, width, t, w->first), *out = l->features + (w->first * l->T + t) * D;
    for (int r = 0; r < w->count; r++) {
        attend_row(l, p, w, w->first + r, t, w->context);
        copy_scaled(l->M, 1, w->context, joined + (long)r * width);
        copy_scaled(l->H, 1, row_at(l, l->z, p->z_row, t + 1, w->first + r), joined + (long)r * width + l->M);
    }
    product(w->count, width, D, joined, width, p->combine, out, l->T * D, 0);
    for (int r = 0; r < w->count; r++, out += l->T * D) {
        for (int i = 0; i < D; i += LANES) store_partial(out + i, vec_tanh(load_partial(out + i, D - i)), D - i);
        if (l->feed_attended >= 0) copy_scaled(D, 1, out, row_at(l, l->z, p->z_row, t + 1, w->first + r) + l->H);
    }
}

static void attend_after_step_backward(const Loop *l, const Plan *p, const Workspace *w, int t) {
    const int width = l->M + l->H, D = l->D;
    float *grad = row_at(l, p->grad_joined, D, t, w->first),
          *grad_fed = l->feed_attended >= 0 ? l->grad_fed + w->first * D : NULL;
    for (int r = 0; r < w->count; r++) {
        const float *incoming = l->grad_features + (w->first + r) * l->grad_features_row + t * l->grad_features_step;
        const float *out = l->features + ((w->first + r) * l->T + t) * D;
        for (int i = 0; i < D; i++)
            grad[r * D + i] = (incoming[i] + (grad_fed ? grad_fed[r * D + i] : 0)) * (1 - out[i] * out[i]);
    }
    product(w->count, D, width, grad, D, p->combine, w->joined, width, 0);
    for (int r = 0; r < w->count; r++) {
        const int b = w->first + r;
        const float *from = w->joined + (long)r * width;
        copy_scaled(l->M, 1, from, w->context);
        clear(w->context, l->M, p->value_width);
        if (l->grad_values) copy_scaled(l->M, 1, from, p->grad_context + (b * l->T + t) * l->M);
        add_scaled(l->H, 1, from + l->M, l->grad_h + b * l->H);
        attend_row_backward(l, p, w, b, t, w->context);
    }
    map_query_backward(l, p, w, t);
    cell_step_backward(l, p, w, t, grad_fed, D);
}

void loop_step(const Loop *l, const Plan *p, const Workspace *w, int t) {
    (l->D ? attend_after_step : attend_before_step)(l, p, w, t);
}

void loop_step_backward(const Loop *l, const Plan *p, const Workspace *w, int t) {
    (l->D ? attend_after_step_backward : attend_before_step_backward)(l, p, w, t);
}
