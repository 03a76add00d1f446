/* Arguments and results of the recurrent attention loops. loop_arguments.py lists the same fields in the same order. */
#ifndef SEQTOOL_ATTEND_H
#define SEQTOOL_ATTEND_H

#include <stdint.h>

enum { GMM, ADDITIVE, PRODUCT };

/* B rows, T steps, S positions. Tensors are float32, and contiguous but for the strides given; absent ones are NULL. */
typedef struct {
    int64_t threads, backward;
    int64_t B, T, S;
    int64_t E, M, H;                       /* sizes of the step's input, the memory, the cell's output */
    int64_t K;                             /* size of the keys; gmm: number of components */
    int64_t P;                             /* size of the mapped query: K; gmm: 3 K */
    int64_t hidden;                        /* size of gmm's tanh layer; 0: none */
    int64_t D;                             /* attend_after: size of h~; attend_before: 0 */
    int64_t F;                             /* size of the features */
    int64_t gru, scorer, variant, softmax; /* variant: gmm's 0, 1, 2; softmax: 0 means exp */
    int64_t query_h, query_c, query_x;     /* offsets of h, c and x in the query; -1: absent */
    int64_t query_size;
    int64_t feed_x, feed_attended, feed_size; /* offsets of x and of the context or the last h~ in the cell's input */
    int64_t features_h, features_context, features_x;
    int64_t x_row, x_step, mask_row;               /* strides */
    int64_t grad_features_row, grad_features_step; /* strides */
    int64_t symbols;                               /* number of symbols in the table of `ids` */
    double scale;                                  /* factor of products */

    const float *x, *values, *keys;                         /* [B, T, E], [B, S, M], [B, S, K] */
    const int64_t *ids;                                     /* [B, T], the row of the table that each x is, or NULL */
    const float *projected;                                 /* [symbols, gates]: W_ih x of each row of the table */
    const uint8_t *mask;                                    /* [B, S] */
    const float *weight_ih, *weight_hh, *bias_ih, *bias_hh; /* gru: in *_hh, the rows of n are first */
    const float *query_map, *query_bias, *window, *window_bias; /* [hidden or P, query_size]; [P, hidden], after tanh */
    const float *vector, *combine;                              /* [K] of additive; [D, M + H] of attend_after */

    /* The first and the last state; forward only. */
    const float *first_h, *first_c, *first_mean, *first_fed; /* [B, H], [B, H], [B, K], [B, D] */
    float *last_h, *last_c, *last_mean, *last_fed;

    /* Written by forward, read by backward. */
    float *z;            /* [T + 1, B, H + feed_size]: h, the context or the last h~, x */
    float *c;            /* lstm: [T + 1, B, H] */
    double *mean;        /* gmm: [T + 1, B, K] */
    float *gates;        /* [T, B, 4 H], see cells.h */
    float *query_hidden; /* [T, B, hidden] */
    float *query;        /* [T, B, P rounded up to a multiple of 16] */
    float *joined;       /* attend_after: [T, B, M + H] */
    float *weights;      /* [B, T, S] */
    float *features;     /* [B, T, F] */

    /* Gradients, each of its tensor's shape. Inputs: of features and weights. Those of the last state are replaced by
       those of the first. The rest are outputs. */
    const float *grad_features, *grad_weights; /* grad_weights: NULL means zeros */
    float *grad_h, *grad_c, *grad_mean, *grad_fed;
    float *grad_x, *grad_values, *grad_keys; /* grad_x starts at zero; NULL if not needed, as grad_values */
    float *grad_projected;                   /* with ids, the caller computes the columns of x in grad_weight_ih */
    float *grad_weight_ih, *grad_weight_hh, *grad_gates; /* grad_gates [4 H]: gradients of the biases */
    float *grad_query_map, *grad_query_bias, *grad_window, *grad_window_bias, *grad_vector, *grad_combine;
} Loop;

/* Runs all steps. Returns 0, or 1 if memory runs out. */
int seqtool_attend(const Loop *l);

#endif
