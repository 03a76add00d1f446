/* Attention of one row at one step, forward and backward. */
#include "attend_plan.h"
#include "content.h"

/* The number of positions up to the last real one; `real` is the mask, or NULL if all of these are real. */
static int positions(const Loop *l, const Plan *p, int b, const uint8_t **real) {
    *real = p->counts[b] < 0 ? l->mask + b * l->mask_row : NULL;
    return p->counts[b] < 0 ? -p->counts[b] : p->counts[b];
}

static const float *values_of(const Loop *l, const Plan *p, int b) {
    return p->values + (long)b * (p->narrow ? l->M * padded(l->S) : l->S * p->value_width);
}

/* The keys of one row. Keys of additive scores are prepared; forward, they are transposed, [K, padded S]. */
static float *keys_of(const Loop *l, const Plan *p, int b) {
    long stride = l->scorer == ADDITIVE && !l->backward ? l->K * padded(l->S) : l->S * p->key_width;
    return p->keys + b * stride;
}

void attend_row(const Loop *l, const Plan *p, const Workspace *w, int b, int t, float *context) {
    const uint8_t *real;
    int count = positions(l, p, b, &real);
    const float *query = row_at(l, l->query, p->query_row, t, b);
    float *scores = w->scores, *weights = l->weights + ((long)b * l->T + t) * l->S;
    if (l->scorer == GMM) {
        const double *mean = l->mean + ((long)t * l->B + b) * l->K;
        double *after = l->mean + ((long)(t + 1) * l->B + b) * l->K;
        window_forward(p->gmm, count, real, query, mean, after, padded(l->S), w->window, scores);
    } else if (count) {
        const float *keys = keys_of(l, p, b);
        if (l->scorer == ADDITIVE) {
            prepare(p->direct[b], p->key_width, query, w->prepared);
            additive_scores(p->direct[b], count, l->K, padded(l->S), keys, w->prepared, p->vector, p->sum_v, scores);
        } else
            dots(count, p->key_width, keys, query, scores);
        softmax(count, real, scores);
    }
    if (p->narrow)
        transposed_weighted_sum(count, l->M, padded(l->S), values_of(l, p, b), scores, context);
    else
        weighted_sum(count, p->value_width, values_of(l, p, b), scores, context);
    memcpy(weights, scores, sizeof(float) * (size_t)count);
    clear(weights, count, l->S);
}

void attend_row_backward(const Loop *l, const Plan *p, const Workspace *w, int b, int t, const float *context) {
    const uint8_t *real;
    int count = positions(l, p, b, &real);
    const long at = ((long)b * l->T + t) * l->S;
    const float *query = row_at(l, l->query, p->query_row, t, b);
    float *grad = w->scores, *grad_query = row_at(l, p->grad_query, p->query_row, t, b);
    if (p->narrow)
        transposed_dots(count, l->M, padded(l->S), values_of(l, p, b), context, grad);
    else
        dots(count, p->value_width, values_of(l, p, b), context, grad);
    for (int j = 0; l->grad_weights && j < count; j++) grad[j] += l->grad_weights[at + j];
    if (l->scorer == GMM) {
        const double *after = l->mean + ((long)(t + 1) * l->B + b) * l->K;
        window_backward(
            p->gmm, count, real, query, after, padded(l->S), w->window, grad, l->grad_mean + b * l->K, grad_query);
        return;
    }
    if (t) prefetch(l->weights + at - l->S, l->S); /* the weights that the next call reads */
    softmax_backward(count, l->weights + at, grad);
    if (l->scorer == ADDITIVE) {
        float *grad_keys = p->grad_keys + (long)b * l->S * p->key_width, *grad_v = vector_sums(p, w->thread);
        const float *keys = keys_of(l, p, b);
        prepare(p->direct[b], p->key_width, query, w->prepared);
        additive_backward(p->direct[b], count, p->key_width, keys, w->prepared, grad, grad_query, grad_keys, grad_v);
        for (int i = 0; i < p->key_width; i++) grad_query[i] *= 4 * p->vector[i];
        grad_v[p->key_width] += total(count, grad);
        return;
    }
    weighted_sum(count, p->key_width, keys_of(l, p, b), grad, grad_query);
    memcpy(p->grad_scores + at, grad, sizeof(float) * (size_t)count);
    clear(p->grad_scores + at, count, l->S);
}
