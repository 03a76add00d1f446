/* gmm's window and its gradient, for one row of a batch at one step. mu is double: it is summed over steps, and its
   distance from a position matters. */
#ifndef SEQTOOL_WINDOW_H
#define SEQTOOL_WINDOW_H

#include <math.h>

#include "content.h"

#define LARGEST_EXPONENT 15.0f
#define SMALLEST_SIGMA 1e-3f
#define LARGEST_WEIGHT 1.1420073898156842e26f /* e^60 */
#define LARGEST_TERM 80.0f                    /* e^80 is above LARGEST_WEIGHT and far from overflow */

/* Constants of the window: K components; variant 0, 1 or 2 (v2b too); weights by softmax or by exp. */
typedef struct {
    int K, variant, softmax;
} Gmm;

INLINE float softplus(float x) { return x > 20 ? x : log1pf(expf(x)); }
INLINE float slope(float x) { return 1 / (1 + expf(-x)); }
INLINE float capped(float x) { return x > LARGEST_EXPONENT ? LARGEST_EXPONENT : x; }

/* log sum exp */
static inline float log_total(int K, const float *w) {
    float most = w[0], total = 0;
    for (int k = 1; k < K; k++) most = w[k] > most ? w[k] : most;
    for (int k = 0; k < K; k++) total += expf(w[k] - most);
    return most + logf(total);
}

/* (w^, d^, b^) -> log (w / Z), delta, 1 / (2 sigma^2), sigma: [K] each, contiguous. */
static inline void window_parameters(Gmm gmm, const float *query, float *out) {
    int K = gmm.K;
    const float *w = query, *d = query + K, *b = query + 2 * K;
    float *log_weight = out, *delta = out + K, *beta = out + 2 * K, *sigma = out + 3 * K;
    for (int k = 0; gmm.variant == 0 && k < K; k += LANES) {
        int n = K - k;
        store_partial(log_weight + k, load_partial(w + k, n), n);
        store_partial(delta + k, vec_exp(at_most(load_partial(d + k, n), LARGEST_EXPONENT)), n);
        store_partial(beta + k, vec_exp(at_most(load_partial(b + k, n), LARGEST_EXPONENT)), n);
    }
    if (gmm.variant == 0) return;
    float total = log_total(K, w);
    for (int k = 0; k < K; k++) {
        delta[k] = gmm.variant == 1 ? expf(capped(d[k])) : softplus(d[k]);
        sigma[k] = gmm.variant == 1 ? expf(capped(b[k]) / 2) : softplus(b[k]);
        if (sigma[k] < SMALLEST_SIGMA) sigma[k] = SMALLEST_SIGMA;
        beta[k] = 0.5f / (sigma[k] * sigma[k]);
        log_weight[k] = w[k] - total - logf(sigma[k]) - 0.918938533204672742f;
    }
}

/* j - mu for LANES positions from index `first` (index j - 1). Subtracts mu's integral part first, for precision. */
INLINE vec distances(double mean, int first) {
    double near = rint(mean);
    return __builtin_convertvector(lane_numbers(), vec) + (float)(first + 1 - near) - (float)(mean - near);
}

/* The contribution of each component to each weight: terms [K, stride], zero at padding. */
static inline void window_terms(
    Gmm gmm, int count, const uint8_t *real, const float *window, const double *mean, int stride, float *terms) {
    int K = gmm.K;
    vec most = splat(-INFINITY), total = {0};
    for (int k = 0; !gmm.softmax && !real && k < K; k++) { /* exp without a mask: one pass, no shared maximum or sum */
        float *row = terms + (long)k * stride;
        for (int j = 0; j < count; j += LANES) {
            vec distance = distances(mean[k], j), term = window[k] - window[2 * K + k] * distance * distance;
            store(row + j, keep_first(exp_up_to(LARGEST_TERM, term), count - j, 0));
        }
    }
    if (!gmm.softmax && !real) return;
    for (int k = 0; k < K; k++) {
        float *row = terms + (long)k * stride;
        for (int j = 0; j < count; j += LANES) {
            vec distance = distances(mean[k], j);
            store(row + j, keep_first(window[k] - window[2 * K + k] * distance * distance, count - j, -INFINITY));
        }
        for (int j = 0; real && j < count; j++)
            if (!real[j]) row[j] = -INFINITY;
        for (int j = 0; gmm.softmax && j < count; j += LANES) most = maximum(most, load(row + j));
    }
    float shift = gmm.softmax ? reduce_max(most) : 0;
    for (int k = 0; k < K; k++) {
        float *row = terms + (long)k * stride;
        for (int j = 0; j < count; j += LANES)
            store(row + j, keep_first(exp_up_to(LARGEST_TERM, load(row + j) - shift), count - j, 0));
        for (int j = 0; real && j < count; j++)
            if (!real[j]) row[j] = 0;
        for (int j = 0; gmm.softmax && j < count; j += LANES) total += load(row + j);
    }
    vec all = splat(sum(total));
    for (int k = 0; gmm.softmax && k < K; k++)
        for (int j = 0; j < count; j += LANES) {
            float *to = terms + (long)k * stride + j;
            store(to, load(to) / all);
        }
}

/* The new means, and the weights of `count` positions. scratch: 6 K numbers, then terms. */
static inline void window_forward(
    Gmm gmm, int count, const uint8_t *real, const float *query, const double *mean, double *new_mean, int stride,
    float *scratch, float *weights) {
    float *terms = scratch + padded(6 * gmm.K);
    window_parameters(gmm, query, scratch);
    for (int k = 0; k < gmm.K; k++) new_mean[k] = mean[k] + (double)scratch[gmm.K + k];
    if (!count) return;
    window_terms(gmm, count, real, scratch, new_mean, stride, terms);
    for (int j = 0; j < count; j += LANES) {
        vec total = load(terms + j);
        for (int k = 1; k < gmm.K; k++) total += load(terms + (long)k * stride + j);
        store(weights + j, gmm.softmax ? total : at_most(total, LARGEST_WEIGHT));
    }
}

/* `grad` [count] is the gradient of the weights, and overwritten; grad_mean [K] is carried from step to step. */
static inline void window_backward(
    Gmm gmm, int count, const uint8_t *real, const float *query, const double *new_mean, int stride, float *scratch,
    float *grad, float *grad_mean, float *grad_query) {
    int K = gmm.K;
    float *terms = scratch + padded(6 * K), *grad_weight = scratch + 4 * K, *grad_beta = scratch + 5 * K, all = 0;
    window_parameters(gmm, query, scratch);
    if (count) window_terms(gmm, count, real, scratch, new_mean, stride, terms);
    vec above = {0}, total_weight = {0};
    for (int j = 0; j < count; j += LANES) { /* recomputes the weights, since the saved ones are no longer in cache */
        vec incoming = keep_first(load(grad + j), count - j, 0), weight = load(terms + j);
        for (int k = 1; k < K; k++) weight += load(terms + (long)k * stride + j);
        if (!gmm.softmax) incoming = (vec)((ivec)incoming & (weight < LARGEST_WEIGHT));
        above += weight * incoming, total_weight += weight;
        store(grad + j, incoming);
    }
    if (gmm.softmax && count) subtract_mean(count, sum(above), sum(total_weight), grad);
    for (int k = 0; k < K; k++) {
        vec zero = {0}, one = {0}, two = {0};
        for (int j = 0; j < count; j += LANES) {
            vec x = load(grad + j) * load(terms + (long)k * stride + j), distance = distances(new_mean[k], j);
            zero += x, x *= distance, one += x, two += x * distance;
        }
        grad_weight[k] = sum(zero), grad_beta[k] = -sum(two);
        grad_mean[k] += 2 * scratch[2 * K + k] * sum(one);
        all += grad_weight[k];
    }
    float total = gmm.variant ? log_total(K, query) : 0;
    for (int k = 0; k < K; k++) {
        float d = query[K + k], b = query[2 * K + k], delta = scratch[K + k], beta = scratch[2 * K + k],
              sigma = scratch[3 * K + k];
        grad_query[K + k] = grad_mean[k] * (gmm.variant == 2 ? slope(d) : d > LARGEST_EXPONENT ? 0 : delta);
        if (gmm.variant == 0) {
            grad_query[k] = grad_weight[k];
            grad_query[2 * K + k] = b > LARGEST_EXPONENT ? 0 : grad_beta[k] * beta;
            continue;
        }
        float grad_sigma =
            sigma > SMALLEST_SIGMA ? -grad_weight[k] / sigma - grad_beta[k] / (sigma * sigma * sigma) : 0;
        grad_query[k] = grad_weight[k] - expf(query[k] - total) * all;
        grad_query[2 * K + k] = grad_sigma * (gmm.variant == 2 ? slope(b) : b > LARGEST_EXPONENT ? 0 : sigma / 2);
    }
}

#endif
