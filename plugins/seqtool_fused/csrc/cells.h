/* One step of one row of a cell, from the pre-activations of its gates. */
#ifndef SEQTOOL_CELLS_H
#define SEQTOOL_CELLS_H

#include "vector_math.h"

/* gates [4 H]: the pre-activations of i, f, g, o, replaced by the gates. */
static inline void lstm_forward(int H, float *gates, const float *c, float *new_h, float *new_c) {
    for (int j = 0; j < H; j += LANES) {
        int n = H - j;
        float *at = gates + j;
        vec i = vec_sigmoid(load_partial(at, n)), f = vec_sigmoid(load_partial(at + H, n));
        vec g = accurate_tanh(load_partial(at + 2 * H, n)), o = vec_sigmoid(load_partial(at + 3 * H, n));
        vec after = f * load_partial(c + j, n) + i * g;
        store_partial(at, i, n), store_partial(at + H, f, n), store_partial(at + 2 * H, g, n),
            store_partial(at + 3 * H, o, n);
        store_partial(new_c + j, after, n);
        store_partial(new_h + j, o * accurate_tanh(after), n);
    }
}

/* grad_h, grad_c: the gradients of the new state, replaced by the part of the old state's gradients that does not go
   through the gates. grad_gates: the gradients of the pre-activations. */
static inline void lstm_backward(
    int H, const float *gates, const float *c, const float *new_c, float *grad_h, float *grad_c, float *grad_gates) {
    for (int j = 0; j < H; j += LANES) {
        int n = H - j;
        const float *at = gates + j;
        float *to = grad_gates + j;
        vec i = load_partial(at, n), f = load_partial(at + H, n), g = load_partial(at + 2 * H, n);
        vec o = load_partial(at + 3 * H, n), squashed = accurate_tanh(load_partial(new_c + j, n)),
            grad = load_partial(grad_h + j, n);
        vec grad_cell = load_partial(grad_c + j, n) + grad * o * (1.0f - squashed * squashed);
        store_partial(to, grad_cell * g * i * (1.0f - i), n);
        store_partial(to + H, grad_cell * load_partial(c + j, n) * f * (1.0f - f), n);
        store_partial(to + 2 * H, grad_cell * i * (1.0f - g * g), n);
        store_partial(to + 3 * H, grad * squashed * o * (1.0f - o), n);
        store_partial(grad_c + j, grad_cell * f, n);
        store_partial(grad_h + j, (vec){0}, n);
    }
}

/* gates [4 H]: U_n h + b_hn, the pre-activations of r and z, W_n x + b_in; the last three are replaced by r, z, n. */
static inline void gru_forward(int H, float *gates, const float *h, float *new_h) {
    for (int j = 0; j < H; j += LANES) {
        int n = H - j;
        float *at = gates + j;
        vec r = vec_sigmoid(load_partial(at + H, n)), z = vec_sigmoid(load_partial(at + 2 * H, n));
        vec new = accurate_tanh(load_partial(at + 3 * H, n) + r * load_partial(at, n));
        store_partial(at + H, r, n), store_partial(at + 2 * H, z, n), store_partial(at + 3 * H, new, n);
        store_partial(new_h + j, new + z *(load_partial(h + j, n) - new), n);
    }
}

/* As `lstm_backward`; grad_gates in the order of gates. */
static inline void gru_backward(int H, const float *gates, const float *h, float *grad_h, float *grad_gates) {
    for (int j = 0; j < H; j += LANES) {
        int n = H - j;
        const float *at = gates + j;
        float *to = grad_gates + j;
        vec from_h = load_partial(at, n), r = load_partial(at + H, n), z = load_partial(at + 2 * H, n);
        vec new = load_partial(at + 3 * H, n), grad = load_partial(grad_h + j, n);
        vec grad_new = grad * (1.0f - z) * (1.0f - new *new);
        store_partial(to, grad_new * r, n);
        store_partial(to + H, grad_new * from_h * r * (1.0f - r), n);
        store_partial(to + 2 * H, grad * (load_partial(h + j, n) - new) * z * (1.0f - z), n);
        store_partial(to + 3 * H, grad_new, n);
        store_partial(grad_h + j, grad * z, n);
    }
}

#endif
