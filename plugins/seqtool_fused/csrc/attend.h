/* What the recurrent attention loops are given, and what they leave behind. loops.py has the same list. */
#ifndef SEQTOOL_ATTEND_H
#define SEQTOOL_ATTEND_H

#include <stdint.h>

enum { GMM, ADDITIVE, PRODUCT };

/* B rows, T steps, S places. float32, contiguous but for the strides named; a tensor that there is not is NULL. */
typedef struct {
    int64_t threads, backward;
    int64_t B, T, S;
    int64_t E, M, H; /* widths of the step's input, of the memory, of the cell */
    int64_t K, P;    /* width of the keys, or gmm's components; of the mapped query: K, or gmm's 3 K */
    int64_t hidden;  /* width of gmm's tanh layer; 0: none */
    int64_t D;       /* attend_after: width of h~; attend_before: 0 */
    int64_t F;       /* width of the features */
    int64_t gru, scorer, variant, softmax;     /* variant: gmm's 0, 1, 2; softmax: or else exp */
    int64_t query_h, query_c, query_x;         /* where in the query h, c and x stand; -1: nowhere */
    int64_t query_size;
    int64_t feed_x, feed_seen, feed_size;      /* where in the cell's input x, and the context or the last h~, stand */
    int64_t features_h, features_context, features_x;
    int64_t x_row, x_step, mask_row;           /* strides */
    int64_t of_features_row, of_features_step; /* strides */
    int64_t symbols;                           /* of the table that x is rows of, where `ids` is there */
    double scale;                              /* of products */

    const float *x, *values, *keys;                            /* [B, T, E], [B, S, M], [B, S, K] */
    const int64_t *ids;                                        /* [B, T], which row of the table each x is, or NULL */
    const float *mapped;                                       /* [symbols, gates]: what weight_ih makes of those rows */
    const uint8_t *mask;                                       /* [B, S] */
    const float *weight_ih, *weight_hh, *bias_ih, *bias_hh;    /* gru: of *_hh, the rows of n stand first */
    const float *query_map, *query_bias, *window, *window_bias; /* [hidden or P, query_size]; [P, hidden] after tanh */
    const float *vector, *combine;                             /* [K] of additive; [D, M + H] of attend_after */

    /* The first state and the last one; forward alone. */
    const float *first_h, *first_c, *first_mean, *first_fed; /* [B, H], [B, H], [B, K], [B, D] */
    float *last_h, *last_c, *last_mean, *last_fed;

    /* Forward writes, backward reads. */
    float *z;        /* [T + 1, B, H + feed_size]: h, the context or the last h~, x */
    float *c;        /* lstm: [T + 1, B, H] */
    double *mean;    /* gmm: [T + 1, B, K] */
    float *gates;    /* [T, B, 4 H], see cells.h */
    float *asked;    /* [T, B, hidden] */
    float *query;    /* [T, B, P up to a multiple of 16] */
    float *joined;   /* attend_after: [T, B, M + H] */
    float *weights;  /* [B, T, S] */
    float *features; /* [B, T, F] */

    /* Gradients, each as what it is of: in, and of the last state in, of the first state out, and the rest out. */
    const float *of_features, *of_weights; /* of_weights may be NULL: zeros */
    float *of_h, *of_c, *of_mean, *of_fed;
    float *of_x, *of_values, *of_keys; /* of_x begins as zeros; of_values may not be wanted */
    float *of_mapped;                  /* where there are ids, columns of x in of_weight_ih are left to the caller */
    float *of_weight_ih, *of_weight_hh, *of_gates; /* of_gates [4 H]: of the biases */
    float *of_query_map, *of_query_bias, *of_window, *of_window_bias, *of_vector, *of_combine;
} Loop;

/* Returns 0, or 1 without memory. */
int seqtool_attend(const Loop *l);

#endif
