/* gmm's window and its gradient, for one row of a batch at one step. mu is held in double: it is a sum over steps, and
   a place's distance from it is what counts. */
#ifndef SEQTOOL_WINDOW_H
#define SEQTOOL_WINDOW_H

#include <math.h>

#include "content.h"

#define LARGEST_EXPONENT 15.0f
#define SMALLEST_SIGMA 1e-3f
#define LARGEST_WEIGHT 1.1420073898156842e26f /* e^60 */
#define LARGEST_TERM 80.0f                    /* e^80 is above that, and still far from infinity */

/* What is the same for all rows: K components; variant 0, 1 or 2 (v2b too); weights by softmax, or by exp. */
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

/* (w^, d^, b^) -> log (w / Z), delta, 1 / (2 sigma^2), sigma: [K] each, one after the other */
static inline void open_window(Gmm gmm, const float *query, float *out) {
    int K = gmm.K;
    const float *w = query, *d = query + K, *b = query + 2 * K;
    float *log_weight = out, *delta = out + K, *beta = out + 2 * K, *sigma = out + 3 * K;
    for (int k = 0; gmm.variant == 0 && k < K; k += LANES) {
        int n = K - k;
        store_some(log_weight + k, load_some(w + k, n), n);
        store_some(delta + k, wide_exp(at_most(load_some(d + k, n), LARGEST_EXPONENT)), n);
        store_some(beta + k, wide_exp(at_most(load_some(b + k, n), LARGEST_EXPONENT)), n);
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

/* j - mu for LANES places from `first` (0 .. S-1, which are j = 1 .. S); first mu's whole part goes, then the rest. */
INLINE wide distances(double mean, int first) {
    double near = rint(mean);
    return __builtin_convertvector(numbers(), wide) + (float)(first + 1 - near) - (float)(mean - near);
}

/* What every component gives to every weight: terms [K, stride], zero where there is no real place. */
static inline void window_terms(
    Gmm gmm, int count, const uint8_t *real, const float *window, const double *mean, int stride, float *terms) {
    int K = gmm.K;
    wide most = splat(-INFINITY), total = {0};
    for (int k = 0; !gmm.softmax && !real && k < K; k++) { /* nothing needs to be known of the others */
        float *row = terms + (long)k * stride;
        for (int j = 0; j < count; j += LANES) {
            wide far = distances(mean[k], j), term = window[k] - window[2 * K + k] * far * far;
            store(row + j, first_of(exp_up_to(LARGEST_TERM, term), count - j, 0));
        }
    }
    if (!gmm.softmax && !real) return;
    for (int k = 0; k < K; k++) {
        float *row = terms + (long)k * stride;
        for (int j = 0; j < count; j += LANES) {
            wide far = distances(mean[k], j);
            store(row + j, first_of(window[k] - window[2 * K + k] * far * far, count - j, -INFINITY));
        }
        for (int j = 0; real && j < count; j++)
            if (!real[j]) row[j] = -INFINITY;
        for (int j = 0; gmm.softmax && j < count; j += LANES) most = larger(most, load(row + j));
    }
    float shift = gmm.softmax ? largest(most) : 0;
    for (int k = 0; k < K; k++) {
        float *row = terms + (long)k * stride;
        for (int j = 0; j < count; j += LANES)
            store(row + j, first_of(exp_up_to(LARGEST_TERM, load(row + j) - shift), count - j, 0));
        for (int j = 0; real && j < count; j++)
            if (!real[j]) row[j] = 0;
        for (int j = 0; gmm.softmax && j < count; j += LANES) total += load(row + j);
    }
    wide all = splat(sum(total));
    for (int k = 0; gmm.softmax && k < K; k++)
        for (int j = 0; j < count; j += LANES) {
            float *to = terms + (long)k * stride + j;
            store(to, load(to) / all);
        }
}

/* The step's means, and the weights of `count` places. room: 6 K numbers, then terms. */
static inline void window_forward(
    Gmm gmm, int count, const uint8_t *real, const float *query, const double *mean, double *new_mean, int stride,
    float *room, float *weights) {
    float *terms = room + padded(6 * gmm.K);
    open_window(gmm, query, room);
    for (int k = 0; k < gmm.K; k++) new_mean[k] = mean[k] + (double)room[gmm.K + k];
    if (!count) return;
    window_terms(gmm, count, real, room, new_mean, stride, terms);
    for (int j = 0; j < count; j += LANES) {
        wide total = load(terms + j);
        for (int k = 1; k < gmm.K; k++) total += load(terms + (long)k * stride + j);
        store(weights + j, gmm.softmax ? total : at_most(total, LARGEST_WEIGHT));
    }
}

/* `of` [count] comes as the weights' gradient and goes as scratch; of_mean [K] is carried from step to step. */
static inline void window_backward(
    Gmm gmm, int count, const uint8_t *real, const float *query, const double *new_mean, int stride, float *room,
    float *of, float *of_mean, float *of_query) {
    int K = gmm.K;
    float *terms = room + padded(6 * K), *of_weight = room + 4 * K, *of_beta = room + 5 * K, all = 0;
    open_window(gmm, query, room);
    if (count) window_terms(gmm, count, real, room, new_mean, stride, terms);
    wide above = {0}, total_weight = {0};
    for (int j = 0; j < count; j += LANES) { /* the weights again, since what was kept of them stands far away */
        wide given = first_of(load(of + j), count - j, 0), weight = load(terms + j);
        for (int k = 1; k < K; k++) weight += load(terms + (long)k * stride + j);
        if (!gmm.softmax) given = (wide)((whole)given & (weight < LARGEST_WEIGHT));
        above += weight * given, total_weight += weight;
        store(of + j, given);
    }
    if (gmm.softmax && count) less_mean(count, sum(above), sum(total_weight), of);
    for (int k = 0; k < K; k++) {
        wide zero = {0}, one = {0}, two = {0};
        for (int j = 0; j < count; j += LANES) {
            wide x = load(of + j) * load(terms + (long)k * stride + j), far = distances(new_mean[k], j);
            zero += x, x *= far, one += x, two += x * far;
        }
        of_weight[k] = sum(zero), of_beta[k] = -sum(two);
        of_mean[k] += 2 * room[2 * K + k] * sum(one);
        all += of_weight[k];
    }
    float total = gmm.variant ? log_total(K, query) : 0;
    for (int k = 0; k < K; k++) {
        float d = query[K + k], b = query[2 * K + k], delta = room[K + k], beta = room[2 * K + k], sigma = room[3 * K + k];
        of_query[K + k] = of_mean[k] * (gmm.variant == 2 ? slope(d) : d > LARGEST_EXPONENT ? 0 : delta);
        if (gmm.variant == 0) {
            of_query[k] = of_weight[k];
            of_query[2 * K + k] = b > LARGEST_EXPONENT ? 0 : of_beta[k] * beta;
            continue;
        }
        float of_sigma = sigma > SMALLEST_SIGMA ? -of_weight[k] / sigma - of_beta[k] / (sigma * sigma * sigma) : 0;
        of_query[k] = of_weight[k] - expf(query[k] - total) * all;
        of_query[2 * K + k] = of_sigma * (gmm.variant == 2 ? slope(b) : b > LARGEST_EXPONENT ? 0 : sigma / 2);
    }
}

#endif
